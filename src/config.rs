//! `config.toml` to typed values. `config.toml.example` is the reference; a test keeps the two alike.

pub mod dialplan;
pub mod door;
pub mod hours;
mod load;
pub mod local_time;
pub mod numbers;
pub mod trunk;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use door::{Contact, Domain, Socket, Upstream, User};
pub use hours::HoursOf;
pub use load::ConfigError;
use numbers::Numbering;
pub use trunk::{Inbound, Machine, Sender, Sip, Trunk};

use crate::call::retry;
use crate::pages::Resolution;
use crate::pages::cover::Language;
use crate::pages::cut::LongPages;
use crate::pages::document::UnreadablePage;
use crate::pages::layout::Paper;

/// The whole configuration, as the file states it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of the queue and the pages.
    pub state_dir: PathBuf,
    /// Our name in SMTP and in the mails we write; empty: the system's.
    pub hostname: String,
    /// Time zone of header lines, mails and the page (IANA name); empty: the system's.
    pub time_zone: String,
    /// Where mails come in.
    pub smtp: Smtp,
    /// What numbers may be dialled.
    pub dialing: Dialing,
    /// How faxes are made and sent.
    pub fax: Fax,
    /// The page before their pages.
    pub cover: Cover,
    /// Which fax goes when.
    pub queue: Queue,
    /// What is tried again, how often, and after how long.
    pub retry: retry::Rules,
    /// When certain numbers may be rung.
    pub hours: Vec<HoursOf>,
    /// What is different for the addresses of certain domains.
    #[serde(rename = "domain")]
    pub domains: Vec<Domain>,
    /// Who has a name here.
    pub phone_book: Vec<Contact>,
    /// What certain senders may do, and what their faxes carry.
    #[serde(rename = "sender")]
    pub senders: Vec<Sender>,
    /// Who may log in.
    #[serde(rename = "user")]
    pub users: Vec<User>,
    /// Mail servers that have checked who sent a mail.
    #[serde(rename = "upstream")]
    pub upstreams: Vec<Upstream>,
    /// Our side of the telephone line.
    pub sip: Sip,
    /// The carriers.
    #[serde(rename = "trunk")]
    pub trunks: Vec<Trunk>,
    /// What certain machines want that we call.
    #[serde(rename = "machine")]
    pub machines: Vec<Machine>,
    /// Which calls are not taken.
    pub inbound: Inbound,
    /// Our numbers and where their faxes go.
    #[serde(rename = "route")]
    pub routes: Vec<Route>,
    /// Where the mails go that we write.
    pub mail: Mail,
    /// What senders are told, and how.
    pub receipts: Receipts,
    /// The child processes that read documents.
    pub renderer: Renderer,
    /// The page for the admin.
    pub status: Status,
    /// The program that reads the text of received pages.
    pub ocr: Ocr,
    /// Programs that make PDF of what is not read here.
    #[serde(rename = "converter")]
    pub converters: Vec<Converter>,
}

/// `[smtp]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Smtp {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Sockets where LMTP is spoken.
    pub lmtp: Vec<Socket>,
    /// Addresses where TLS begins with the first octet (RFC 8314).
    pub listen_tls: Vec<SocketAddr>,
    /// Domains whose local parts are fax numbers.
    pub domains: Vec<String>,
    /// Networks that may submit mail.
    pub clients: Vec<IpNet>,
    /// Octets of the largest mail.
    pub max_size: u64,
    /// Recipients of one mail.
    pub max_recipients: usize,
    /// Sessions at a time.
    pub max_sessions: usize,
    /// Days that a fax may be put off by its sender; 0: not at all.
    pub max_hold_days: u32,
    /// Whether mail comes from anywhere that its author's domain stands behind (DMARC), of senders with `verified`.
    pub dmarc: bool,
    /// Name servers that are asked about it; none: the system's.
    pub name_servers: Vec<SocketAddr>,
    /// Networks of machines to which STARTTLS is not offered: they try a TLS that is no longer spoken.
    pub no_starttls: Vec<IpNet>,
    /// Networks of machines that end lines with LF alone.
    pub bare_lf: Vec<IpNet>,
    /// PEM file of the certificate chain for STARTTLS; none: not offered.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file of its key.
    pub tls_key: Option<PathBuf>,
}

/// `[dialing]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dialing {
    /// The country whose numbers need no country code (ISO 3166, two letters).
    pub country: String,
    /// Patterns of numbers that may be dialled.
    pub allow: Vec<String>,
    /// Patterns that may not, whatever `allow` says.
    pub deny: Vec<String>,
}

/// `[fax]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fax {
    /// Our number on the far end's display and in the header line (TSI, CSI); at most 20 of digits, `+`, space.
    pub station_id: String,
    /// Our name in the header line.
    pub name: String,
    /// Resolution of the pages we send.
    pub resolution: Resolution,
    /// Pages of one fax.
    pub max_pages: u32,
    /// Error correction mode (T.30 annex A).
    pub ecm: bool,
    /// T.85 (JBIG) for far ends that have it.
    pub t85: bool,
    /// Seconds after which a caller who talks is hung up on; 0: never.
    pub voice_seconds: u32,
    /// Highest speed, bit/s: 14400, 9600 or 4800.
    pub max_bit_rate: u32,
    /// Least rate at which a page must get on, bit/s; 0: any.
    pub min_rate: u32,
    /// CED is said in full in T.38, too, where a call was in audio before.
    pub whole_ced: bool,
    /// Hours after which a fax that could not be sent fails.
    pub give_up_hours: u64,
    /// Seconds that a call may last, without its pages.
    pub call_seconds: u32,
    /// Seconds more for each page.
    pub call_seconds_per_page: u32,
    /// Days that the lessons about a number are kept; 0: none are.
    pub memory_days: u32,
    /// Font of the header line; none: the one that comes with Postfax.
    pub header_font: Option<PathBuf>,
    /// Paper of pages that bring no size of their own: text and pictures.
    pub paper: Paper,
    /// What becomes of pages that are longer than any sheet.
    pub long_pages: LongPages,
    /// What becomes of a document of which a page cannot be drawn.
    pub unreadable_page: UnreadablePage,
    /// Whether the text of a mail is a page.
    pub body: Body,
}

/// `[queue]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Queue {
    /// What is done with a fax that may have arrived.
    pub uncertain: Uncertain,
    /// Hours in which no call begins: `22:00-07:00`.
    pub quiet_hours: Vec<String>,
    /// Patterns of numbers to which several faxes may go in one call.
    pub share_calls: Vec<String>,
    /// Faxes of such a call at most.
    pub share_faxes: u32,
    /// Pages of such a call at most, unless its first fax alone has more.
    pub share_pages: u32,
}

/// What is done with a fax that may have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uncertain {
    /// Its sender is told, and decides.
    Tell,
    /// It is sent again, from the first page that was not confirmed.
    Resend,
}

/// `[cover]`: the cover page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cover {
    /// Whether every fax begins with one, where nobody says otherwise.
    pub on: bool,
    /// The language of the one that comes with Postfax.
    pub language: Language,
    /// A page of the site's own: a PDF with form fields, or a text like `mail/cover.en.txt`.
    pub template: Option<PathBuf>,
}

/// Whether the text of a mail is faxed, before its attachments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Where it says more than that something is attached.
    Auto,
    /// Where it is not blank.
    Always,
    /// Only the attachments are.
    Never,
}

/// `[[converter]]`: a program that makes PDF of what is not read here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Converter {
    /// Media types of what it takes.
    pub types: Vec<String>,
    /// The program, by its absolute path, and its arguments.
    pub command: Vec<String>,
    /// The ending of the file that it is handed, such as `docx`; none: it goes by the type.
    #[serde(default)]
    pub extension: Option<String>,
    /// Seconds that one document may take.
    #[serde(default = "a_minute")]
    pub seconds: u64,
    /// Megabytes that one of its processes may have.
    #[serde(default = "a_gigabyte")]
    pub memory_mb: u64,
    /// Processes that it may have at a time.
    #[serde(default = "processes_of_a_converter")]
    pub processes: usize,
    /// Megabytes that it may write.
    #[serde(default = "folder_of_a_converter")]
    pub folder_mb: u64,
}

fn processes_of_a_converter() -> usize {
    64
}

fn folder_of_a_converter() -> u64 {
    256
}

fn a_minute() -> u64 {
    60
}

fn a_gigabyte() -> u64 {
    1024
}

/// `[ocr]`: how the text of received pages is read, for the routes that want it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ocr {
    /// Tesseract, by its absolute path, and its arguments.
    pub command: Vec<String>,
    /// The languages of the pages, as tesseract calls them: `eng+deu`; `{language}` in the command.
    pub language: String,
    /// Seconds that all pages of one fax may take.
    pub seconds: u64,
    /// Megabytes that it may have.
    pub memory_mb: u64,
}

impl Default for Ocr {
    fn default() -> Ocr {
        Ocr {
            command: [
                "/usr/bin/tesseract",
                "{input}",
                "document",
                "-l",
                "{language}",
                "tsv",
            ]
            .map(str::to_owned)
            .to_vec(),
            language: "eng".into(),
            seconds: 120,
            memory_mb: 1024,
        }
    }
}

/// `[[route]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// A number of ours as the carrier dials it, or `*` for any other.
    pub number: String,
    /// Mail addresses that get its faxes.
    #[serde(default)]
    pub to: Vec<String>,
    /// A Maildir that gets them.
    #[serde(default)]
    pub maildir: Option<PathBuf>,
    /// Whether their PDF can be searched: its text is read.
    #[serde(default)]
    pub ocr: bool,
}

/// `[receipts]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Receipts {
    /// Language of the mails we write.
    pub language: Language,
    /// Folder with templates of the site's own.
    pub templates: Option<PathBuf>,
    /// Whether and how they hear of deliveries whose mail does not say so (NOTIFY, `X-Fax-Notify`).
    pub tell_delivered: TellDelivered,
    /// Hours after which the sender of a fax that still waits is told, once; 0: never.
    pub tell_delay_hours: u64,
    /// A mail to more recipients than this is reported in one mail.
    pub one_mail_over: usize,
    /// Whether the first page travels in them, in small.
    pub picture: bool,
    /// A mail address that gets a copy of each; empty: none.
    pub copy_to: String,
    /// Template of the subject of a fax that was delivered, or waits; empty: the one that comes with Postfax.
    pub subject: String,
}

/// What the sender of a mail that asks for nothing hears of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TellDelivered {
    /// A mail for people.
    Mail,
    /// As if each mail had come with NOTIFY=SUCCESS: a report for machines, too.
    Report,
    /// Nothing: only who asks hears of it.
    Asked,
}

/// `[mail]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// The From of what we write, a mail address, with a name or without; empty: `fax-gateway@` and the host name.
    pub from: String,
    /// Who gets the mails that their recipients' server refuses; empty: `postmaster@` and the domain of `from`.
    pub postmaster: String,
    /// The mail server that takes our mails, `host:port`.
    pub relay: String,
    /// TLS to the relay.
    pub tls: RelayTls,
    /// PEM file of authorities that may vouch for the relay, beside the system's.
    pub tls_ca: Option<PathBuf>,
    /// User at the relay; empty: no AUTH.
    pub username: String,
    /// Password at the relay.
    pub password: String,
    /// A Maildir instead of the relay: everything goes there.
    pub maildir: Option<PathBuf>,
}

/// TLS to the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelayTls {
    /// Never.
    None,
    /// STARTTLS where the relay offers it.
    Opportunistic,
    /// STARTTLS or nothing.
    Starttls,
    /// From the first octet (RFC 8314).
    Implicit,
}

/// `[renderer]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Renderer {
    /// The libpdfium.so to use; none: the one beside the program, or in /usr/lib/postfax.
    pub pdfium: Option<PathBuf>,
    /// Seconds one document may take.
    pub seconds: u64,
    /// Documents at a time.
    pub processes: usize,
}

/// `[status]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Status {
    /// Address of the page; none: no page.
    pub listen: Option<SocketAddr>,
    /// Names under which a browser may ask for it, beside `localhost`.
    pub names: Vec<String>,
    /// Whether it shows the first pages of faxes.
    pub previews: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            state_dir: "/var/lib/postfax".into(),
            hostname: String::new(),
            time_zone: String::new(),
            smtp: Smtp::default(),
            dialing: Dialing::default(),
            fax: Fax::default(),
            cover: Cover::default(),
            queue: Queue::default(),
            retry: retry::Rules::default(),
            hours: Vec::new(),
            domains: Vec::new(),
            phone_book: Vec::new(),
            senders: Vec::new(),
            users: Vec::new(),
            upstreams: Vec::new(),
            sip: Sip::default(),
            trunks: Vec::new(),
            machines: Vec::new(),
            inbound: Inbound::default(),
            routes: Vec::new(),
            mail: Mail::default(),
            receipts: Receipts::default(),
            renderer: Renderer::default(),
            status: Status::default(),
            ocr: Ocr::default(),
            converters: Vec::new(),
        }
    }
}

impl Default for Smtp {
    fn default() -> Smtp {
        Smtp {
            listen: vec![([127, 0, 0, 1], 2525).into()],
            lmtp: Vec::new(),
            listen_tls: Vec::new(),
            domains: vec!["fax.local".into()],
            clients: vec![
                "127.0.0.0/8".parse().expect("a network"),
                "::1/128".parse().expect("a network"),
            ],
            max_size: 30 << 20,
            max_recipients: 100,
            max_sessions: 50,
            max_hold_days: 30,
            dmarc: false,
            name_servers: Vec::new(),
            no_starttls: Vec::new(),
            bare_lf: Vec::new(),
            tls_certificate: None,
            tls_key: None,
        }
    }
}

impl Default for Dialing {
    fn default() -> Dialing {
        let (allow, deny) = dialplan::Plan::default_patterns();
        let owned = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect();
        Dialing {
            country: "US".into(),
            allow: owned(allow),
            deny: owned(deny),
        }
    }
}

impl Default for Fax {
    fn default() -> Fax {
        Fax {
            station_id: String::new(),
            name: String::new(),
            resolution: Resolution::Fine,
            max_pages: 100,
            ecm: true,
            t85: true,
            voice_seconds: 20,
            max_bit_rate: 14400,
            min_rate: 600,
            whole_ced: false,
            give_up_hours: 24,
            call_seconds: 180,
            call_seconds_per_page: 180,
            memory_days: 30,
            header_font: None,
            paper: Paper::Letter,
            long_pages: LongPages::Split,
            unreadable_page: UnreadablePage::Refuse,
            body: Body::Auto,
        }
    }
}

impl Default for Queue {
    fn default() -> Queue {
        Queue {
            uncertain: Uncertain::Tell,
            quiet_hours: Vec::new(),
            share_calls: Vec::new(),
            share_faxes: 10,
            share_pages: 50,
        }
    }
}

impl Default for Mail {
    fn default() -> Mail {
        Mail {
            from: String::new(),
            postmaster: String::new(),
            relay: "127.0.0.1:25".into(),
            tls: RelayTls::Opportunistic,
            tls_ca: None,
            username: String::new(),
            password: String::new(),
            maildir: None,
        }
    }
}

impl Default for Receipts {
    fn default() -> Receipts {
        Receipts {
            language: Language::En,
            templates: None,
            tell_delivered: TellDelivered::Mail,
            tell_delay_hours: 4,
            one_mail_over: 5,
            picture: true,
            copy_to: String::new(),
            subject: String::new(),
        }
    }
}

impl Default for Renderer {
    fn default() -> Renderer {
        Renderer {
            pdfium: None,
            seconds: 60,
            processes: 2,
        }
    }
}

impl Default for Status {
    fn default() -> Status {
        Status {
            listen: Some(([127, 0, 0, 1], 8025).into()),
            names: Vec::new(),
            previews: false,
        }
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`] with the file, line, key and what to do.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        load::file(path)
    }

    /// Reads and checks the text of a file; `name` stands in its errors.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, name: &str) -> Result<Config, ConfigError> {
        load::text(text, name)
    }

    /// Our host name: the configured one, or the system's.
    pub fn hostname(&self) -> String {
        if !self.hostname.is_empty() {
            return self.hostname.clone();
        }
        let name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        if name.is_empty() {
            "localhost".into()
        } else {
            name
        }
    }

    /// The zone of every time a person reads.
    pub fn time_zone(&self) -> jiff::tz::TimeZone {
        match self.time_zone.as_str() {
            "" => jiff::tz::TimeZone::system(),
            name => jiff::tz::TimeZone::get(name).unwrap_or(jiff::tz::TimeZone::UTC),
        }
    }

    /// The address in the From of what we write. The default is no user of the system, whose mailbox would take replies
    /// that nobody reads.
    pub fn mail_from(&self) -> String {
        match self.mail.from.parse::<lettre::message::Mailbox>() {
            Ok(mailbox) => mailbox.email.to_string(),
            Err(_) => format!("fax-gateway@{}", self.hostname()),
        }
    }

    /// The From line of what we write.
    pub fn from_line(&self) -> String {
        let mailbox = self.mail.from.parse::<lettre::message::Mailbox>();
        match mailbox.is_ok_and(|mailbox| mailbox.name.is_some()) {
            true => self.mail.from.clone(),
            false => format!("Postfax <{}>", self.mail_from()),
        }
    }

    /// Who gets what cannot be delivered to anybody else.
    pub fn postmaster(&self) -> String {
        if !self.mail.postmaster.is_empty() {
            return self.mail.postmaster.clone();
        }
        let from = self.mail_from();
        let domain = from
            .rsplit_once('@')
            .map_or("localhost", |(_, domain)| domain);
        format!("postmaster@{domain}")
    }

    /// Whether the relay would hand the postmaster's mail to this very gateway.
    pub fn postmaster_is_here(&self) -> bool {
        let postmaster = self.postmaster();
        let domain = postmaster.rsplit('@').next().unwrap_or_default();
        self.mail.maildir.is_none() && self.domain(domain).is_some()
    }

    /// The language of this sender's receipts; `asked`: what its mail asks for.
    pub fn language_for(&self, sender: &str, asked: Option<&str>) -> Language {
        let asked = match asked {
            Some("en") => Some(Language::En),
            Some("de") => Some(Language::De),
            _ => None,
        };
        let general = self.receipts.language;
        asked.unwrap_or_else(|| self.sender(sender).language.unwrap_or(general))
    }

    /// What this sender hears of deliveries for which it did not ask.
    pub fn tells_delivered(&self, sender: &str) -> TellDelivered {
        let own = self.sender(sender).tell_delivered;
        own.unwrap_or(self.receipts.tell_delivered)
    }

    /// Whether this sender's receipts show the first page.
    pub fn shows_picture(&self, sender: &str) -> bool {
        self.sender(sender).picture.unwrap_or(self.receipts.picture)
    }

    /// Whether the text of this sender's mails is a page.
    pub fn body_for(&self, sender: &str) -> Body {
        self.sender(sender).body.unwrap_or(self.fax.body)
    }

    /// Whether this sender's faxes begin with a cover page.
    pub fn cover_for(&self, sender: &str) -> bool {
        self.sender(sender).cover.unwrap_or(self.cover.on)
    }

    /// What the faxes of a sender carry: the first `[[sender]]` that fits, filled up from `[fax]`. Its caller id is
    /// empty where the trunk's counts.
    pub fn sender(&self, address: &str) -> Sender {
        let found = self.senders.iter().find(|sender| sender.is_about(address));
        let found = found.cloned().unwrap_or_default();
        let or = |own: String, general: &String| match own.is_empty() {
            true => general.clone(),
            false => own,
        };
        Sender {
            station_id: or(found.station_id, &self.fax.station_id),
            name: or(found.name, &self.fax.name),
            ..found
        }
    }

    /// What is different for the addresses of a domain, if it is one of ours.
    pub fn domain(&self, name: &str) -> Option<Domain> {
        let bare = name.strip_suffix('.').unwrap_or(name);
        let is_it = |ours: &str| ours.eq_ignore_ascii_case(bare);
        let own = self.domains.iter().find(|domain| is_it(&domain.name));
        let plain = || {
            let name = self.smtp.domains.iter().find(|name| is_it(name))?;
            Some(Domain {
                name: name.clone(),
                ..Domain::default()
            })
        };
        own.cloned().or_else(plain)
    }

    /// Who has this name here.
    pub fn contact(&self, name: &str) -> Option<&Contact> {
        let name = name.to_lowercase();
        let mut book = self.phone_book.iter();
        book.find(|contact| contact.name.to_lowercase() == name)
    }

    /// The upstream whose mails come from `client`.
    pub fn upstream(&self, client: IpAddr) -> Option<&Upstream> {
        let has = |upstream: &&Upstream| upstream.clients.iter().any(|it| it.contains(&client));
        self.upstreams.iter().find(has)
    }

    /// Whether an address is of a network that may submit mail, or of an upstream.
    pub fn is_of_the_house(&self, client: IpAddr) -> bool {
        let mut clients = self.smtp.clients.iter();
        clients.any(|it| it.contains(&client)) || self.upstream(client).is_some()
    }

    /// Our number in the calls of a sender over `trunk`.
    pub fn caller_id(&self, sender: &Sender, trunk: &Trunk) -> String {
        let choices = [&sender.caller_id, &trunk.caller_id, &sender.station_id];
        let given = choices.into_iter().find(|number| !number.is_empty());
        given.cloned().unwrap_or_default()
    }

    /// Where the faxes to `called` go: its route, or that of `*`. `None`: not a number of ours.
    pub fn route(&self, called: &str, numbers: &Numbering) -> Option<&Route> {
        let same = |route: &&Route| numbers.is_same(&route.number, called);
        self.routes
            .iter()
            .find(same)
            .or_else(|| self.routes.iter().find(|route| route.number == "*"))
    }

    /// What follows attempts that did not deliver.
    pub fn retry_policy(&self) -> retry::Policy {
        retry::Policy {
            rules: self.retry.clone(),
            give_up_seconds: self.give_up_seconds(),
            resend_uncertain: self.queue.uncertain == Uncertain::Resend,
            zone: self.time_zone(),
        }
    }

    /// The seconds after which a fax fails.
    pub fn give_up_seconds(&self) -> u64 {
        self.fax.give_up_hours * 3600
    }
}

impl Route {
    /// The recipients as the queue stores them: mail addresses, and `maildir:PATH` for a folder.
    pub fn recipients(&self) -> Vec<String> {
        let folder = self
            .maildir
            .iter()
            .map(|path| format!("maildir:{}", path.display()));
        self.to.iter().cloned().chain(folder).collect()
    }
}
