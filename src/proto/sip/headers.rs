//! Header fields: their names, and their values as they came.

use super::text::{Split, is_token, one_line, split};

/// Declares the names that we know: variant, long form, compact form (`-`: none), whether a comma starts a new value.
macro_rules! names {
    ($($name:ident $long:literal $compact:literal $list:ident)*) => {
        /// A header field that we know. Any other goes by its text.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[allow(missing_docs)] // Each is the field of that name.
        pub enum Name { $($name),* }

        const KNOWN: &[(Name, &str, &str, Values)] = &[$((Name::$name, $long, $compact, Values::$list)),*];
    };
}

/// Whether a comma starts a new value (RFC 3261 7.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    One,
    List,
}

names! {
    Accept "Accept" "-" List
    AcceptEncoding "Accept-Encoding" "-" List
    AcceptLanguage "Accept-Language" "-" List
    Alert "Alert-Info" "-" List
    Allow "Allow" "-" List
    AllowEvents "Allow-Events" "u" List
    // RFC 3261 7.3.1: the four of digest have commas of their own.
    AuthenticationInfo "Authentication-Info" "-" One
    Authorization "Authorization" "-" One
    CallId "Call-ID" "i" One
    Contact "Contact" "m" List
    ContentDisposition "Content-Disposition" "-" One
    ContentEncoding "Content-Encoding" "e" List
    ContentLength "Content-Length" "l" One
    ContentType "Content-Type" "c" One
    CSeq "CSeq" "-" One
    Date "Date" "-" One
    Diversion "Diversion" "-" List
    ErrorInfo "Error-Info" "-" List
    Event "Event" "o" One
    Expires "Expires" "-" One
    From "From" "f" One
    HistoryInfo "History-Info" "-" List
    Identity "Identity" "y" One
    MaxForwards "Max-Forwards" "-" One
    MimeVersion "MIME-Version" "-" One
    MinExpires "Min-Expires" "-" One
    MinSe "Min-SE" "-" One
    Organization "Organization" "-" One
    PAssertedIdentity "P-Asserted-Identity" "-" List
    PCalledPartyId "P-Called-Party-ID" "-" One
    PPreferredIdentity "P-Preferred-Identity" "-" List
    Path "Path" "-" List
    Privacy "Privacy" "-" One
    ProxyAuthenticate "Proxy-Authenticate" "-" One
    ProxyAuthorization "Proxy-Authorization" "-" One
    ProxyRequire "Proxy-Require" "-" List
    RAck "RAck" "-" One
    RSeq "RSeq" "-" One
    Reason "Reason" "-" List
    RecordRoute "Record-Route" "-" List
    ReferTo "Refer-To" "r" One
    RemotePartyId "Remote-Party-ID" "-" List
    Replaces "Replaces" "-" One
    Require "Require" "-" List
    RetryAfter "Retry-After" "-" One
    Route "Route" "-" List
    Server "Server" "-" One
    ServiceRoute "Service-Route" "-" List
    SessionExpires "Session-Expires" "x" One
    Subject "Subject" "s" One
    Supported "Supported" "k" List
    Timestamp "Timestamp" "-" One
    To "To" "t" One
    Unsupported "Unsupported" "-" List
    UserAgent "User-Agent" "-" One
    Via "Via" "v" List
    Warning "Warning" "-" List
    WwwAuthenticate "WWW-Authenticate" "-" One
}

impl Name {
    /// The name in its long or compact form, in any case.
    pub fn parse(text: &str) -> Option<Name> {
        // `-` stands for none in the table.
        let is_compact = text.len() == 1 && text != "-";
        let same = |(_, long, compact, _): &&(Name, &str, &str, Values)| match is_compact {
            true => compact.eq_ignore_ascii_case(text),
            false => long.eq_ignore_ascii_case(text),
        };
        KNOWN.iter().find(same).map(|(name, ..)| *name)
    }

    /// The long form.
    pub fn as_str(self) -> &'static str {
        KNOWN[self as usize].1
    }

    fn is_list(self) -> bool {
        KNOWN[self as usize].3 == Values::List
    }
}

/// The header fields of a message, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<Field>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: FieldName,
    /// Unfolded, without white space around it, never with a line end.
    value: String,
    /// It came in Latin-1, and is written so again.
    latin1: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum FieldName {
    Known(Name),
    Other(Box<str>),
}

impl Headers {
    /// None yet.
    pub fn new() -> Headers {
        Headers::default()
    }

    /// The first value of a field.
    pub fn get(&self, name: Name) -> Option<&str> {
        self.all(name).next()
    }

    /// All its values in order, lists taken apart; empty ones are left out.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &str> + Clone {
        let fields = self.fields(name);
        let values = fields.flat_map(move |value| match name.is_list() {
            true => Items::List(split(value, b',')),
            false => Items::One(Some(value)),
        });
        values.filter(|value| !value.is_empty())
    }

    /// Its lines as they came, lists not taken apart.
    pub fn fields(&self, name: Name) -> impl Iterator<Item = &str> + Clone {
        let fields = self.0.iter();
        let wanted = fields.filter(move |field| field.name == FieldName::Known(name));
        wanted.map(|field| field.value.as_str())
    }

    /// The first value of a field that has no [`Name`].
    pub fn get_other(&self, name: &str) -> Option<&str> {
        let mut fields = self.0.iter();
        let found = fields.find(|field| field.name.as_str().eq_ignore_ascii_case(name));
        found.map(|field| field.value.as_str())
    }

    /// Every line: the name in its long form, the value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|field| (field.name.as_str(), field.value.as_str()))
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a list of tokens (`Supported`, `Require`, `Allow`) names this one.
    pub fn lists(&self, name: Name, token: &str) -> bool {
        self.all(name)
            .any(|value| value.eq_ignore_ascii_case(token))
    }

    /// Adds a line at the end. A line end in the value becomes a space.
    pub fn push(&mut self, name: Name, value: impl Into<String>) {
        self.0.push(Field::known(name, value));
    }

    /// Adds a line whose name has no [`Name`]; a name that is no token adds nothing.
    pub fn push_other(&mut self, name: &str, value: impl Into<String>) {
        if let Some(known) = Name::parse(name) {
            return self.push(known, value);
        }
        if is_token(name) {
            self.0.push(Field {
                name: FieldName::Other(name.into()),
                value: one_line(value),
                latin1: false,
            });
        }
    }

    /// Makes it the only value of the field, where the first stood.
    pub fn set(&mut self, name: Name, value: impl Into<String>) {
        let at = self.position(name);
        self.remove(name);
        let at = at.unwrap_or(self.0.len());
        self.0.insert(at, Field::known(name, value));
    }

    /// Adds a line above the others of that name, or above all.
    pub fn insert_first(&mut self, name: Name, value: impl Into<String>) {
        let at = self.position(name).unwrap_or(0);
        self.0.insert(at, Field::known(name, value));
    }

    /// Replaces the topmost value, and leaves the others as they are.
    pub fn replace_first(&mut self, name: Name, value: impl Into<String>) {
        let Some(at) = self.position(name) else {
            return self.push(name, value);
        };
        let field = &mut self.0[at];
        let mut values = split(&field.value, b',');
        let rest: Vec<&str> = match name.is_list() {
            true => values.by_ref().skip(1).collect(),
            false => Vec::new(),
        };
        let mut line = one_line(value);
        for value in rest {
            line.push_str(", ");
            line.push_str(value);
        }
        field.value = line;
    }

    /// Takes all lines of that name away.
    pub fn remove(&mut self, name: Name) {
        self.0.retain(|field| field.name != FieldName::Known(name));
    }

    /// Adds the lines of that name in another message, as they are.
    pub fn copy(&mut self, name: Name, from: &Headers) {
        let fields = from.0.iter();
        let wanted = fields.filter(|field| field.name == FieldName::Known(name));
        self.0.extend(wanted.cloned());
    }

    /// Adds the first line of that name in another message, as it is.
    pub(super) fn copy_first(&mut self, name: Name, from: &Headers) {
        let at = from.position(name);
        self.0.extend(at.map(|at| from.0[at].clone()));
    }

    fn position(&self, name: Name) -> Option<usize> {
        let mut fields = self.0.iter();
        fields.position(|field| field.name == FieldName::Known(name))
    }

    /// Adds a line as it came. `false`: the name is none.
    pub(super) fn push_read(&mut self, name: &[u8], value: &[u8]) -> bool {
        let Some(name) = std::str::from_utf8(name).ok().filter(|name| is_token(name)) else {
            return false;
        };
        let name =
            Name::parse(name).map_or_else(|| FieldName::Other(name.into()), FieldName::Known);
        // PBXs write names in Latin-1; whatever is not UTF-8 is read as that.
        let utf8 = std::str::from_utf8(value).ok();
        let value_text = utf8.map_or_else(
            || value.iter().copied().map(char::from).collect(),
            str::to_owned,
        );
        self.0.push(Field {
            name,
            value: one_line(value_text),
            latin1: utf8.is_none(),
        });
        true
    }

    /// Writes all lines but those of `left_out`.
    pub(super) fn write(&self, octets: &mut Vec<u8>, left_out: Name) {
        for field in &self.0 {
            if field.name == FieldName::Known(left_out) {
                continue;
            }
            octets.extend_from_slice(field.name.as_str().as_bytes());
            octets.extend_from_slice(b": ");
            match field.latin1 {
                true => octets.extend(field.value.chars().map(|c| u8::try_from(c).unwrap_or(b'?'))),
                false => octets.extend_from_slice(field.value.as_bytes()),
            }
            octets.extend_from_slice(b"\r\n");
        }
    }
}

impl Field {
    fn known(name: Name, value: impl Into<String>) -> Field {
        Field {
            name: FieldName::Known(name),
            value: one_line(value),
            latin1: false,
        }
    }
}

impl FieldName {
    fn as_str(&self) -> &str {
        match self {
            FieldName::Known(name) => name.as_str(),
            FieldName::Other(name) => name,
        }
    }
}

/// The values of one line.
#[derive(Clone)]
enum Items<'a> {
    One(Option<&'a str>),
    List(Split<'a>),
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        match self {
            Items::One(value) => value.take(),
            Items::List(values) => values.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (at, (name, long, compact, _)) in KNOWN.iter().enumerate() {
            assert_eq!(*name as usize, at);
            assert_eq!(Name::parse(&long.to_uppercase()), Some(*name));
            assert_eq!(Name::parse(compact), (*compact != "-").then_some(*name));
        }
    }

    #[test]
    fn a_value_never_breaks_out_of_its_line() {
        let mut headers = Headers::new();
        headers.push(Name::Subject, "a\r\nVia: SIP/2.0/UDP evil");
        headers.push_other("X-Name", "b\nc\rd");
        headers.push_other("X-Evil: a\r\nVia", "nothing of it");
        let mut octets = Vec::new();
        headers.write(&mut octets, Name::ContentLength);
        let text = String::from_utf8(octets).expect("it is text");
        assert_eq!(
            text,
            "Subject: a  Via: SIP/2.0/UDP evil\r\nX-Name: b c d\r\n"
        );
    }

    #[test]
    fn latin_1_is_read_and_written_again_as_it_came() {
        let mut headers = Headers::new();
        assert!(headers.push_read(b"f", b"\"B\xfcro\" <sip:1@a>;tag=1"));
        assert_eq!(
            headers.get(Name::From),
            Some("\"B\u{fc}ro\" <sip:1@a>;tag=1")
        );
        let mut octets = Vec::new();
        headers.write(&mut octets, Name::ContentLength);
        assert_eq!(octets, b"From: \"B\xfcro\" <sip:1@a>;tag=1\r\n");
    }

    #[test]
    fn lists_are_taken_apart_and_only_lists() {
        let mut headers = Headers::new();
        headers.push(Name::Via, "SIP/2.0/UDP a;branch=1 , SIP/2.0/UDP b");
        headers.push(Name::Via, "SIP/2.0/UDP c");
        headers.push(Name::Date, "Sat, 21 Nov 2026 12:00:00 GMT");
        let vias: Vec<&str> = headers.all(Name::Via).collect();
        assert_eq!(
            vias,
            ["SIP/2.0/UDP a;branch=1", "SIP/2.0/UDP b", "SIP/2.0/UDP c"]
        );
        assert_eq!(
            headers.get(Name::Date),
            Some("Sat, 21 Nov 2026 12:00:00 GMT")
        );
        headers.replace_first(Name::Via, "new");
        assert_eq!(headers.fields(Name::Via).next(), Some("new, SIP/2.0/UDP b"));
    }

    #[test]
    fn set_keeps_the_place_and_insert_first_goes_above() {
        let mut headers = Headers::new();
        headers.push(Name::Via, "1");
        headers.push(Name::To, "2");
        headers.push(Name::Via, "3");
        headers.set(Name::Via, "4");
        headers.insert_first(Name::Via, "5");
        let lines: Vec<(&str, &str)> = headers.iter().collect();
        assert_eq!(lines, [("Via", "5"), ("Via", "4"), ("To", "2")]);
    }
}
