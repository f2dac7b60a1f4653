-- The store of Postfax: one SQLite file, WAL, synchronous=FULL. This text is version 8; the numbered steps
-- in upgrade.rs bring older files to it, and this file always shows the newest whole.
--
-- Times are milliseconds since 1970-01-01T00:00:00Z. A next_try_at is ahead by at most the longest delay of the rules in
-- force; one that is farther off was written by a clock that ran ahead, and is brought back to that (recovery.rs).
-- Identifiers are 16 characters, ordered by time (id.rs).
-- Mails and pages are named by keys here. Small ones lie in small_blobs, in the transaction that names them; large ones
-- in files of the blob folder, and a row never names a file that is not yet durable.
--
-- A claim is an owner and a lease. Work is taken by writing both, and belongs to the owner until it is settled or
-- the lease is over. On one machine the lock on the state folder proves every other owner dead.

-- A mail to which we said 250. From then on every recipient of it ends in exactly one final state.
CREATE TABLE messages (
    id           TEXT PRIMARY KEY,
    accepted_at  INTEGER NOT NULL,
    client       TEXT    NOT NULL,           -- address of the SMTP client
    sender       TEXT    NOT NULL,           -- envelope sender: gets the receipts
    account      TEXT    NOT NULL DEFAULT '', -- whose limits it counts against: a [[sender]], or the sender itself
    via          TEXT    NOT NULL DEFAULT '', -- what opened the door to it: "network", "auth ...", "upstream ...", "dmarc=pass ..."
    envelope_id  TEXT,                       -- ENVID (RFC 3461 4.4), decoded
    ret          TEXT CHECK (ret IN ('full', 'hdrs')), -- RET (RFC 3461 4.3); NULL: as we see fit
    language     TEXT,                       -- of its receipts; NULL: the site's
    notes        TEXT,                       -- for the cover page
    message_id   TEXT,                       -- Message-ID, with brackets
    refs         TEXT,                       -- References, as it came
    subject      TEXT    NOT NULL DEFAULT '',
    manifest     TEXT    NOT NULL,           -- JSON: every MIME part, faxed or skipped and why
    size         INTEGER NOT NULL,           -- octets
    text_key     TEXT    NOT NULL,           -- blob: the mail as it came
    open_faxes   INTEGER                     -- to be reported in one mail: how many of its faxes have not ended;
                                             -- NULL: each fax has a receipt of its own
) STRICT;
-- A mail that comes a second time, because its 250 was lost, is known by these.
CREATE INDEX messages_by_message_id ON messages (message_id, sender, size) WHERE message_id IS NOT NULL;

-- Octets of up to 64 KB that a row names, so that one commit is all that a 250 waits for.
CREATE TABLE small_blobs (
    key          TEXT PRIMARY KEY,           -- messages.text_key, documents.pages_key, documents.preview_key
    octets       BLOB NOT NULL,
    sha256       BLOB                        -- of them (seal.rs); NULL: kept by a version that did not write it
) STRICT;

-- The pages of a mail at one resolution; all its recipients share them.
CREATE TABLE documents (
    id           TEXT PRIMARY KEY,
    message      TEXT    NOT NULL REFERENCES messages (id),
    resolution   TEXT    NOT NULL CHECK (resolution IN ('standard', 'fine', 'superfine')),
    state        TEXT    NOT NULL CHECK (state IN ('waiting', 'rendering', 'rendered', 'failed')),
    tries        INTEGER NOT NULL DEFAULT 0, -- renderings that began and that nobody settled: the daemon died
    next_try_at  INTEGER NOT NULL,
    page_count   INTEGER,                    -- known once rendered
    pages_key    TEXT,                       -- blob: TIFF without header lines, once rendered
    preview_key  TEXT,                       -- blob: PNG of the first page
    remarks      TEXT    NOT NULL DEFAULT '[]', -- JSON: what was noticed when it was drawn: a page that came out blank ...
    failed_part  TEXT,                       -- file name of the part that spoilt it, once failed
    failure      TEXT,                       -- half a sentence on why, once failed
    owner        TEXT,
    lease_until  INTEGER,
    CHECK ((state = 'rendering') = (owner IS NOT NULL)),
    CHECK (state <> 'rendered' OR (pages_key IS NOT NULL AND page_count > 0))
) STRICT;
CREATE INDEX documents_due ON documents (state, next_try_at, id);

-- One fax to one recipient: the job.
CREATE TABLE faxes (
    id           TEXT PRIMARY KEY,
    message      TEXT    NOT NULL REFERENCES messages (id),
    document     TEXT    NOT NULL REFERENCES documents (id),
    recipient    TEXT    NOT NULL,           -- the address as the sender wrote it
    number       TEXT    NOT NULL,           -- what is dialled
    sub_address  TEXT,                       -- T.33: whom or what the far end gives the pages to (SUB)
    name         TEXT,                       -- in the phone book; NULL: a number was written
    billing      TEXT,                       -- project or billing code, as written
    cover        INTEGER,                    -- 1, 0: a cover page or none; NULL: none
    cover_key    TEXT,                       -- blob: TIFF of the cover page, without header line
    orcpt        TEXT,                       -- ORCPT (RFC 3461 4.2), decoded: "rfc822;..."
    notify       INTEGER,                    -- NOTIFY (RFC 3461 4.1): 0 never, else 1 success + 2 failure + 4 delay
    state        TEXT    NOT NULL CHECK (state IN
                     ('rendering', 'ready', 'calling', 'delivered', 'failed', 'uncertain', 'cancelled')),
    created_at   INTEGER NOT NULL,
    next_try_at  INTEGER NOT NULL,
    tries        INTEGER NOT NULL DEFAULT 0, -- attempts that count against the limit
    priority     INTEGER NOT NULL DEFAULT 0, -- MT-PRIORITY (RFC 6710): -9 to 9, higher first
    account      TEXT    NOT NULL DEFAULT '', -- messages.account: faxes of several accounts take turns
    not_before   INTEGER,                    -- asked to leave then (RFC 4865, X-Fax-At)
    give_up_at   INTEGER,                    -- no attempt after that (RFC 2852); NULL: as the site says
    give_up_from INTEGER,                    -- fax.give_up_hours count from then: its first attempt, or since it could
                                             -- have been dialled; NULL: since next_try_at
    tell_delay_at INTEGER,                   -- when its sender hears that it still waits; NULL: told, or never
    held         INTEGER NOT NULL DEFAULT 0, -- 1: somebody holds it back until it is released
    trunk        TEXT,                       -- the only trunk it may take; NULL: as the trunks are set
    turn         INTEGER,                    -- its place in the line, within its priority; NULL: its time has not come
    confirmed    INTEGER NOT NULL DEFAULT 0, -- pages confirmed by MCF, over all attempts
    leaving      INTEGER NOT NULL DEFAULT 0, -- 1: the last page's EOP may be out and is not yet answered
    cancelling   INTEGER NOT NULL DEFAULT 0, -- 1: somebody asked to cancel it
    outcome      TEXT,                       -- of the last attempt, or of the whole once final
    detail       TEXT    NOT NULL DEFAULT '',
    ended_at     INTEGER,
    owner        TEXT,
    lease_until  INTEGER,
    CHECK ((state = 'calling') = (owner IS NOT NULL)),
    CHECK ((state IN ('delivered', 'failed', 'uncertain', 'cancelled')) = (ended_at IS NOT NULL))
) STRICT;
CREATE INDEX faxes_due ON faxes (state, next_try_at, id);
-- Those whose time will come, by when it does; then they stand in line (line.rs).
CREATE INDEX faxes_to_line_up ON faxes (next_try_at, id) WHERE state = 'ready' AND turn IS NULL AND held = 0;
-- The line. With number and account: a hundred thousand faxes to one busy number are passed over without touching rows.
CREATE INDEX faxes_in_line ON faxes (priority DESC, turn, id, number, account) WHERE state = 'ready' AND turn IS NOT NULL;
-- The last turn of an account, in the line or in a call.
CREATE INDEX faxes_turns ON faxes (account, priority, turn) WHERE turn IS NOT NULL;
CREATE INDEX faxes_calling ON faxes (number, account) WHERE state = 'calling';
CREATE INDEX faxes_to_give_up ON faxes (give_up_at) WHERE give_up_at IS NOT NULL AND ended_at IS NULL;
-- Those that end by fax.give_up_hours, by when these began.
CREATE INDEX faxes_by_give_up_from ON faxes (ifnull(give_up_from, next_try_at))
    WHERE state = 'ready' AND held = 0 AND give_up_at IS NULL;
CREATE INDEX faxes_by_number ON faxes (number, id);
CREATE INDEX faxes_by_message ON faxes (message);
-- Those whose senders have not heard yet that they still wait.
CREATE INDEX faxes_to_tell ON faxes (tell_delay_at) WHERE tell_delay_at IS NOT NULL AND ended_at IS NULL;
CREATE INDEX faxes_by_document ON faxes (document);
CREATE INDEX faxes_ended ON faxes (ended_at) WHERE ended_at IS NOT NULL;

-- A recipient whose fax another recipient of the mail has, too: same number, pages, cover page and time. The first one
-- stands in faxes; each of them is reported.
CREATE TABLE further_recipients (
    fax          TEXT    NOT NULL REFERENCES faxes (id),
    place        INTEGER NOT NULL,           -- from 1, in the order in which they came
    recipient    TEXT    NOT NULL,           -- as in faxes, and so are the others
    name         TEXT,
    billing      TEXT,
    orcpt        TEXT,
    notify       INTEGER,
    PRIMARY KEY (fax, place)
) STRICT, WITHOUT ROWID;

-- One call for one fax, or its part in a call that several share. Written before the INVITE leaves.
CREATE TABLE attempts (
    id           INTEGER PRIMARY KEY,
    fax          TEXT    NOT NULL REFERENCES faxes (id),
    started_at   INTEGER NOT NULL,
    first_page   INTEGER NOT NULL,           -- resumes after the last confirmed page
    header       TEXT    NOT NULL,           -- the header line on its pages, without the page number
    call         INTEGER,                    -- attempts.id of the first fax in the call that several share; NULL: it was alone
    called       TEXT    NOT NULL DEFAULT '', -- the number in canonical form: its row in numbers
    chosen       TEXT    NOT NULL DEFAULT '', -- what the memory of the number changed about this call, in words
    trunk        TEXT    NOT NULL DEFAULT '', -- name of the trunk that it went over, or that refused it last
    target       TEXT    NOT NULL DEFAULT '', -- where the last INVITE went: "udp:198.51.100.7:5060"
    ended_at     INTEGER,
    outcome      TEXT,
    detail       TEXT    NOT NULL DEFAULT '', -- the cause; before it what other trunks and targets said
    pages        INTEGER NOT NULL DEFAULT 0, -- confirmed in this call
    sip_code     INTEGER,
    q850         INTEGER,
    far_ident    TEXT,
    far_said     TEXT,                       -- JSON: what DIS and NSF said of the far end; NULL: nothing came
    bit_rate     INTEGER NOT NULL DEFAULT 0,
    ecm          INTEGER NOT NULL DEFAULT 0,
    t38          INTEGER NOT NULL DEFAULT 0,
    compression  TEXT    NOT NULL DEFAULT '',
    seconds      REAL    NOT NULL DEFAULT 0,
    wire_bytes   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX attempts_by_fax ON attempts (fax);
CREATE INDEX attempts_by_call ON attempts (call) WHERE call IS NOT NULL;
CREATE INDEX attempts_open ON attempts (id) WHERE ended_at IS NULL;

-- A number that rests: it was busy, silent, or no fax machine, and no fax is dialled to it before then (rests.rs).
CREATE TABLE rests (
    number       TEXT PRIMARY KEY,           -- faxes.number
    outcome      TEXT    NOT NULL,           -- of the last call to it
    in_a_row     INTEGER NOT NULL,           -- calls in a row that ended so, of whichever fax
    until        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was used on a day, against the limits of accounts and trunks (usage.rs).
CREATE TABLE usage (
    day          TEXT    NOT NULL,           -- in the site's time zone: "2026-11-21"
    kind         TEXT    NOT NULL CHECK (kind IN ('account', 'trunk')),
    name         TEXT    NOT NULL,
    calls        INTEGER NOT NULL DEFAULT 0, -- begun
    seconds      REAL    NOT NULL DEFAULT 0, -- from answer to end
    PRIMARY KEY (day, kind, name)
) STRICT, WITHOUT ROWID;

-- What earlier calls taught about a number, until it expires: how the next call to it goes (memory.rs).
CREATE TABLE numbers (
    number       TEXT PRIMARY KEY,           -- in canonical form, so that +1202..., 1202... and 202... are one
    begin        TEXT CHECK (begin IN ('t38', 'audio')), -- how the next call begins; NULL: as the trunk is set
    max_bit_rate INTEGER,                    -- at most this, bit/s; NULL: as is set
    ecm          INTEGER,                    -- 0: without error correction; NULL: as is set
    why          TEXT    NOT NULL DEFAULT '', -- what taught the three above, in words
    outcome      TEXT    NOT NULL,           -- of the last call that taught something
    in_a_row     INTEGER NOT NULL DEFAULT 1, -- calls in a row that ended so
    worked       TEXT,                       -- JSON: how pages went through last: far end, speed, ECM, T.38 or audio
    learned_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX numbers_expire ON numbers (expires_at);

-- A fax that came in. Each page is durable before its MCF leaves.
CREATE TABLE received (
    id           TEXT PRIMARY KEY,
    started_at   INTEGER NOT NULL,
    ended_at     INTEGER,                    -- NULL while the call is up
    called       TEXT    NOT NULL,           -- the number of ours that was dialled
    caller       TEXT    NOT NULL,           -- as the trunk says it
    caller_name  TEXT,                       -- as the trunk says it
    trunk        TEXT    NOT NULL DEFAULT '', -- name of the trunk that it came over
    sub_address  TEXT,                       -- T.33: whom or what the caller wants the pages to reach (SUB)
    recipients   TEXT    NOT NULL,           -- JSON: who gets its pages, by the route in force when it was answered
    preview_key  TEXT,                       -- blob: PNG of the first page
    outcome      TEXT,
    detail       TEXT    NOT NULL DEFAULT '',
    far_ident    TEXT,
    far_said     TEXT,                       -- JSON, as in attempts
    bit_rate     INTEGER NOT NULL DEFAULT 0,
    ecm          INTEGER NOT NULL DEFAULT 0,
    t38          INTEGER NOT NULL DEFAULT 0,
    compression  TEXT    NOT NULL DEFAULT '',
    seconds      REAL    NOT NULL DEFAULT 0,
    wire_bytes   INTEGER NOT NULL DEFAULT 0,
    owner        TEXT,
    CHECK ((ended_at IS NULL) = (owner IS NOT NULL))
) STRICT;
CREATE INDEX received_open ON received (id) WHERE ended_at IS NULL;
CREATE INDEX received_ended ON received (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE received_pages (
    received     TEXT    NOT NULL REFERENCES received (id),
    page         INTEGER NOT NULL,           -- from 1
    last         INTEGER NOT NULL,           -- 1: no page follows it (EOP)
    width        INTEGER NOT NULL,           -- pels
    height       INTEGER NOT NULL,           -- rows
    x_dpi        INTEGER NOT NULL,
    y_dpi        INTEGER NOT NULL,
    g4_key       TEXT    NOT NULL,           -- blob: T.6 data
    lost         INTEGER NOT NULL DEFAULT 0, -- packets of it that never came: rows are missing (T.38 without ECM)
    PRIMARY KEY (received, page)
) STRICT, WITHOUT ROWID;

-- Every mail the gateway writes. A row names what the mail is about; its text is composed when it is delivered, from
-- rows that no longer change. UNIQUE makes a second receipt for one fax impossible.
CREATE TABLE outgoing (
    id           TEXT PRIMARY KEY,
    kind         TEXT    NOT NULL CHECK (kind IN
                     ('receipt', 'delay', 'broadcast', 'returned', 'received_fax', 'copy', 'forwarded')),
    subject_of   TEXT    NOT NULL,           -- faxes.id, received.id; messages.id of a broadcast and of a mail to the
                                             -- postmaster; outgoing.id of one returned, or copied
    recipient    TEXT    NOT NULL,           -- mail address; for a Maildir route its path
    created_at   INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('waiting', 'sending', 'delivered', 'failed')),
    next_try_at  INTEGER NOT NULL,
    tries        INTEGER NOT NULL DEFAULT 0,
    reply        TEXT    NOT NULL DEFAULT '', -- what the next hop said last
    ended_at     INTEGER,
    owner        TEXT,
    lease_until  INTEGER,
    UNIQUE (kind, subject_of, recipient),
    CHECK ((state = 'sending') = (owner IS NOT NULL)),
    CHECK ((state IN ('delivered', 'failed')) = (ended_at IS NOT NULL))
) STRICT;
CREATE INDEX outgoing_due ON outgoing (state, next_try_at, id);

-- How far the wall clock was ahead of the time since boot when it was last looked at: a step is known by it (clock.rs).
CREATE TABLE clock (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    boot         TEXT    NOT NULL,           -- of which boot: /proc/sys/kernel/random/boot_id
    ahead        INTEGER NOT NULL            -- milliseconds
) STRICT;

-- Whether queue.db and queue.db-wal belong together (wal.rs).
CREATE TABLE log (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    commits      INTEGER NOT NULL,           -- since the table was made
    in_file      INTEGER NOT NULL            -- of these the file held when its log began, at least
) STRICT;
INSERT INTO log VALUES (1, 0, 0);

-- Logins (AUTH) that failed or are being tried, of the last quarter of an hour.
CREATE TABLE failed_logins (
    network      TEXT    NOT NULL,           -- an IPv4 address, or the /64 of an IPv6 address, as a prefix
    at           INTEGER NOT NULL
) STRICT;
CREATE INDEX failed_logins_at ON failed_logins (at);
