# What a newcomer types: `make demo`, then `make test`. Everything they need is installed by `setup`.

.PHONY: demo test test-all figures bench-calls bench-pages bench-queue interop nat model office hostile hostile-documents torture setup pdfium build install

# Both journeys on this machine: a mail leaves as a fax, a fax comes back as a PDF in a Maildir.
demo: build
	target/release/postfax demo

# Format, lints, every test, the documentation; with real mail servers where they can be installed.
test: setup
	tests/setup/install-peers.sh
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

# All of that and what is slow: before a release. Root, some hours.
test-all: test model nat office hostile-documents torture

# Start with 10,000 jobs, memory, 250 to INVITE, hostile input, mails a second, 1,000 forged INVITEs a second; minutes, on
# a quiet machine. One of them: make figures PARTS=forged_invites.
figures: setup
	cargo bench --locked --bench figures -- $(PARTS)

# What faxes survive (loss, bursts), what calls cost (10 to 800 at a time), what their seconds go to; a quarter of an
# hour on two quiet cores. STEPS=10,50 AUDIO_STEPS=10 CALLS=5 makes it a short one, PARTS=matrix only a part of it.
PARTS =
bench-calls: setup
	cargo bench --locked --bench calls -- $(PARTS)

# A start with 100,000 faxes that wait, the next of them, and mails a second beside Postfix's own smtpd; root, a minute or two.
bench-queue: setup
	tests/setup/install-packages.sh postfix
	cargo bench --locked --bench queue -- $(PARTS)

# Our pages beside those of Ghostscript, poppler and MuPDF: bytes, CPU, memory, words that can be read again; some ten
# minutes. CORPUS=DIR takes the PDFs of a folder, KEEP=DIR keeps the pages as PNG.
# Other converters, what reads letters and codes again, and a font for Chinese that is not embedded.
PAGE_TOOLS = ghostscript poppler-utils mupdf-tools tesseract-ocr tesseract-ocr-eng zbar-tools qrencode libtiff-tools \
	fonts-droid-fallback
bench-pages: setup
	tests/setup/install-packages.sh $(PAGE_TOOLS)
	cargo bench --locked --bench pages

# Calls with Asterisk and others, from Debian packages in folders of their own; root, and some minutes.
# One case: make interop CASES=out-fec; their names: make interop CASES=list.
CASES =
interop: setup
	cargo bench --locked --bench interop -- $(CASES)

# The daemon against far ends that garble SIP, SDP, UDPTL, T.30 and RTP, with the heaps that its unit gives it; the seed is
# printed, SEED= throws it again.
MINUTES = 30
hostile: setup
	MALLOC_ARENA_MAX=2 MINUTES=$(MINUTES) SEED=$(SEED) cargo bench --locked --bench hostile

# Killed 300 times, with full disks, jumping clocks and a relay that flaps, while mails pour in and calls go both ways; then
# the books are balanced by what the far ends and the mailboxes know. Root; some 25 minutes. SEED= throws the same dice again.
KILLS = 300
torture: setup
	tests/setup/install-packages.sh faketime
	KILLS=$(KILLS) SEED=$(SEED) cargo bench --locked --bench torture

# The gateway behind a masquerading router made of network namespaces; root, iproute2 and nftables.
nat: setup
	POSTFAX_NAT=must cargo test --locked --test whole nat:: -- --nocapture

# Random work on the queue, crashes and steps of the clock beside a plain model of what it promises. `make test` has 20,000
# steps of it; here the seed is drawn and printed, SEED= repeats one, STEPS= makes it shorter; half an
# hour for a million.
model: setup
	STEPS=$(or $(STEPS),1000000) SEED=$(SEED) cargo test --locked --lib -- queue::tests::model --nocapture

# LibreOffice and tesseract, as the site's converter and reader of text, behind their walls.
office: setup
	tests/setup/install-packages.sh libreoffice-writer-nogui tesseract-ocr tesseract-ocr-eng
	POSTFAX_OFFICE=must cargo test --locked --test whole -- converters --nocapture

# 10,000 mutants of every format through the real render child: each ends in pages or in a sentence.
MUTANTS = 1250
hostile-documents: setup
	MUTANTS=$(MUTANTS) cargo test --locked --release --test whole -- documents::mutants --nocapture

build: setup
	cargo build --release --locked

setup: pdfium

# The pinned libpdfium.so, in third_party/.
pdfium:
	tests/setup/install-packages.sh
	tests/setup/fetch-pdfium.sh

# The program, its library, the unit and an example configuration; DESTDIR for packagers.
install: build
	install -D -m 755 target/release/postfax $(DESTDIR)/usr/local/bin/postfax
	install -D -m 644 third_party/libpdfium.so $(DESTDIR)/usr/lib/postfax/libpdfium.so
	install -D -m 644 systemd/postfax.service $(DESTDIR)/etc/systemd/system/postfax.service
	install -D -m 644 systemd/postfax.sysusers.conf $(DESTDIR)/usr/lib/sysusers.d/postfax.conf
	test -e $(DESTDIR)/etc/postfax/config.toml || \
	    install -D -m 640 config.toml.example $(DESTDIR)/etc/postfax/config.toml
