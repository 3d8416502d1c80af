//! The kinds of values our requests are made of. Each knows what it must be, parses nothing else,
//! and says the same in the OpenAPI document.

use crate::users::{PASSWORD_CHARS, Role, is_common};
use holdfast_domain::{Currency, Timestamp, is_writable, nfc};
use icu_properties::{
    CodePointMapData, CodePointMapDataBorrowed,
    props::{GeneralCategory, GeneralCategoryGroup},
};
use idna::AsciiDenyList;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error, Visitor},
};
use std::{borrow::Cow, fmt, str::FromStr};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, RefOr, SchemaFormat,
        schema::{ObjectBuilder, Schema, SchemaType, Type},
    },
};
use uuid::Uuid;

/// Highest price of one seat, in minor units; the rules refuse more.
pub(crate) const PRICE_MAX: i64 = 1_000_000_000_000;
/// Longest address that can be written to (RFC 5321 §4.5.3.1.3, less the angle brackets).
const EMAIL_BYTES_MAX: usize = 254;
/// Longest part before the `@` (RFC 5321 §4.5.3.1.1).
const EMAIL_LOCAL_BYTES_MAX: usize = 64;
/// Longest part of a domain between its dots (RFC 1035 §2.3.4).
const DOMAIN_LABEL_BYTES_MAX: usize = 63;
/// Categories of characters, to tell letters with their combining marks.
const CATEGORIES: CodePointMapDataBorrowed<'static, GeneralCategory> = CodePointMapData::new();
/// Longest reason code.
const REASON_CHARS_MAX: usize = 50;

/// A value that says what it must be.
pub(crate) trait Field: DeserializeOwned {
    /// Completes "the field …".
    fn must_be() -> Cow<'static, str>;
}

/// Makes a field of a type that is read from text.
macro_rules! text_field {
    ($(#[doc = $doc:literal])+ $name:ident($inner:ty) = $must_be:literal, $read:expr, $schema:expr) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub(crate) struct $name(pub(crate) $inner);

        impl Field for $name {
            fn must_be() -> Cow<'static, str> {
                Cow::Borrowed($must_be)
            }
        }

        impl $name {
            /// The value, from a body or a query string; none if the text is none.
            pub(crate) fn read(text: &str) -> Option<Self> {
                $read(text).map($name)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
                struct Read;
                impl Visitor<'_> for Read {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($must_be)
                    }
                    fn visit_str<E: Error>(self, text: &str) -> Result<$name, E> {
                        $name::read(text).ok_or_else(|| E::custom($must_be))
                    }
                }
                json.deserialize_str(Read)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema(ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))).into()
            }
        }

        impl ToSchema for $name {}
    };
}

text_field! {
    /// An id of ours.
    Id(Uuid) = "must be a UUID, such as 0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11",
    id,
    |schema: ObjectBuilder| schema.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
}
text_field! {
    /// An instant, kept in UTC.
    Instant(Timestamp) =
        "must be an RFC 3339 date and time with offset, such as 2027-06-01T19:30:00Z, in the years 1 to 9999 by all clocks",
    |text: &str| {
        let at = chrono::DateTime::parse_from_rfc3339(text).ok()?.to_utc();
        Timestamp::from_timestamp_micros(at.timestamp_micros()).filter(|at| is_writable(*at))
    },
    |schema: ObjectBuilder| schema.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}
text_field! {
    /// A currency.
    CurrencyCode(Currency) = "must be an ISO 4217 currency with minor units, in capitals, such as EUR",
    |text: &str| {
        Currency::from_code(text).filter(|currency| currency.code() == text && currency.has_minor_units())
    },
    |schema: ObjectBuilder| schema.pattern(Some("^[A-Z]{3}$")).examples(["EUR"])
}
text_field! {
    /// A time zone.
    Zone(String) = "must be an IANA time zone, such as Europe/Berlin",
    |text: &str| chrono_tz::Tz::from_str(text).ok().map(|_| text.to_owned()),
    |schema: ObjectBuilder| schema.examples(["Europe/Berlin"])
}
text_field! {
    /// An airport's IATA code.
    AirportCode(String) = "must be an IATA airport code: three capital letters, such as BER",
    |text: &str| is_airport_code(text).then(|| text.to_owned()),
    |schema: ObjectBuilder| schema.pattern(Some("^[A-Z]{3}$")).examples(["BER"])
}
text_field! {
    /// A flight's number, as airlines write it.
    FlightNumber(String) = "must be 2 to 10 capital letters and digits, such as HF1207",
    |text: &str| is_flight_number(text).then(|| text.to_owned()),
    |schema: ObjectBuilder| schema.pattern(Some("^[A-Z0-9]{2,10}$")).examples(["HF1207"])
}
text_field! {
    /// An address that could be written to, spelled as NFC. Whether it exists only a mail can tell.
    Email(String) = "must be an e-mail address of at most 254 bytes",
    email,
    |schema: ObjectBuilder| schema.format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
}
text_field! {
    /// A password that an account is given, spelled as NFC.
    NewPasswordText(String) =
        "must be text of 8 to 128 characters, not only blanks, and none of the passwords that are guessed first",
    |text: &str| {
        let text = nfc(text);
        let good = PASSWORD_CHARS.contains(&text.chars().count())
            && !text.contains('\0')
            && !text.trim().is_empty()
            && !is_common(&text);
        good.then(|| text.into_owned())
    },
    |schema: ObjectBuilder| {
        schema.min_length(Some(*PASSWORD_CHARS.start())).max_length(Some(*PASSWORD_CHARS.end()))
    }
}
text_field! {
    /// What somebody may do.
    RoleWord(Role) = "must be customer, agent or admin",
    |text: &str| text.parse().ok(),
    |schema: ObjectBuilder| schema.enum_values(Some(["customer", "agent", "admin"]))
}
text_field! {
    /// Why something is done, as a word: it goes into the log for ever, where no personal data may be.
    ReasonCode(String) = "must be 1 to 50 of a-z, 0-9 and _",
    |text: &str| is_reason_code(text).then(|| text.to_owned()),
    |schema: ObjectBuilder| schema.pattern(Some("^[a-z0-9_]{1,50}$"))
}

/// Reads an id as we write it: 36 characters, none of the other forms a UUID may have.
pub(crate) fn id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|_| text.len() == 36)
}

fn is_flight_number(text: &str) -> bool {
    (2..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Reads `local@domain` as people write it: dot-atoms (RFC 5322 §3.4.1), letters of any script with their combining marks
/// (RFC 6531), a domain that has an ASCII form (UTS #46), no quoted parts, no address literals. No blank, control character or
/// line break can be in it, so it adds no line to a mail.
pub(crate) fn email(text: &str) -> Option<String> {
    if text.len() > EMAIL_BYTES_MAX {
        return None;
    }
    let text = nfc(text);
    let (local, domain) = text.rsplit_once('@')?;
    let is_good = local.len() <= EMAIL_LOCAL_BYTES_MAX && local.split('.').all(is_atom) && is_domain(domain);
    is_good.then(|| text.clone().into_owned())
}

fn is_atom(atom: &str) -> bool {
    is_words(atom, |c| "!#$%&'*+-/=?^_`{|}~".contains(c))
}

fn is_domain(domain: &str) -> bool {
    let is_label =
        |label: &str| is_words(label, |c| c == '-') && !label.starts_with('-') && !label.ends_with('-');
    let ascii = idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::STD3);
    domain.split('.').all(is_label)
        && ascii.is_ok_and(|ascii| ascii.split('.').all(|label| label.len() <= DOMAIN_LABEL_BYTES_MAX))
}

/// Letters and digits with their marks, and what `also` takes; a mark has a letter before it.
fn is_words(text: &str, also: impl Fn(char) -> bool) -> bool {
    let is_mark = |c| GeneralCategoryGroup::Mark.contains(CATEGORIES.get(c));
    !text.is_empty()
        && !text.starts_with(is_mark)
        && text.chars().all(|c| c.is_alphanumeric() || is_mark(c) || also(c))
}

fn is_reason_code(text: &str) -> bool {
    (1..=REASON_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Whether it has the form of an IATA code.
pub(crate) fn is_airport_code(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// A whole number within a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Whole<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Whole<MIN, MAX> {
    /// The number.
    pub(crate) fn get(self) -> u32 {
        self.0
    }

    /// The number, if it is in range.
    pub(crate) fn new(number: u32) -> Option<Self> {
        (MIN..=MAX).contains(&number).then_some(Self(number))
    }
}

impl<const MIN: u32, const MAX: u32> Field for Whole<MIN, MAX> {
    fn must_be() -> Cow<'static, str> {
        Cow::Owned(format!("must be a whole number from {MIN} to {MAX}"))
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        Self::new(u32::deserialize(json)?).ok_or_else(|| D::Error::custom(Self::must_be()))
    }
}

impl<const MIN: u32, const MAX: u32> PartialSchema for Whole<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        whole(i64::from(MIN), i64::from(MAX))
    }
}

impl<const MIN: u32, const MAX: u32> ToSchema for Whole<MIN, MAX> {}

/// A price of one seat, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct PriceAmount(pub(crate) i64);

impl Field for PriceAmount {
    fn must_be() -> Cow<'static, str> {
        Cow::Owned(format!("must be a whole number from 0 to {PRICE_MAX}, in minor units such as cents"))
    }
}

impl<'de> Deserialize<'de> for PriceAmount {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let amount = i64::deserialize(json)?;
        let in_range = (0..=PRICE_MAX).contains(&amount);
        in_range.then_some(Self(amount)).ok_or_else(|| D::Error::custom(Self::must_be()))
    }
}

impl PartialSchema for PriceAmount {
    fn schema() -> RefOr<Schema> {
        whole(0, PRICE_MAX)
    }
}

impl ToSchema for PriceAmount {}

fn whole(min: i64, max: i64) -> RefOr<Schema> {
    let schema = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer));
    schema.minimum(Some(min)).maximum(Some(max)).into()
}

/// Text of a bounded number of characters, spelled as NFC, without the null character that Postgres cannot keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Text<const MIN: usize, const MAX: usize>(pub(crate) String);

impl<const MIN: usize, const MAX: usize> Field for Text<MIN, MAX> {
    fn must_be() -> Cow<'static, str> {
        Cow::Owned(format!("must be text of {MIN} to {MAX} characters, not only blanks"))
    }
}

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Text<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let text = spelled(String::deserialize(json)?);
        let good = (MIN..=MAX).contains(&text.chars().count())
            && !text.contains('\0')
            && !(MIN > 0 && text.trim().is_empty());
        good.then_some(Self(text)).ok_or_else(|| D::Error::custom(Self::must_be()))
    }
}

impl<const MIN: usize, const MAX: usize> PartialSchema for Text<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        let schema = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        schema.min_length(Some(MIN)).max_length(Some(MAX)).into()
    }
}

impl<const MIN: usize, const MAX: usize> ToSchema for Text<MIN, MAX> {}

/// Text on one line, spelled as NFC: a name that may stand in a table, a ticket or a mail's subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Line<const MIN: usize, const MAX: usize>(pub(crate) String);

impl<const MIN: usize, const MAX: usize> Field for Line<MIN, MAX> {
    fn must_be() -> Cow<'static, str> {
        Cow::Owned(format!("must be text of {MIN} to {MAX} characters on one line, not only blanks"))
    }
}

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Line<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        line(&String::deserialize(json)?).ok_or_else(|| D::Error::custom(Self::must_be()))
    }
}

/// The text as NFC; as it is, without a copy, if it is spelled so.
pub(crate) fn spelled(text: String) -> String {
    match nfc(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(spelled) => spelled,
    }
}

/// Reads text on one line.
pub(crate) fn line<const MIN: usize, const MAX: usize>(text: &str) -> Option<Line<MIN, MAX>> {
    let text = nfc(text);
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let good = (MIN..=MAX).contains(&text.chars().count())
        && !text.contains(breaks)
        && !(MIN > 0 && text.trim().is_empty());
    good.then(|| Line(text.into_owned()))
}

impl<const MIN: usize, const MAX: usize> PartialSchema for Line<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        Text::<MIN, MAX>::schema()
    }
}

impl<const MIN: usize, const MAX: usize> ToSchema for Line<MIN, MAX> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_can_be_written_to_and_adds_no_line_to_a_mail() {
        let long = format!("{}@example.com", "x".repeat(64));
        for good in [
            "ada@example.com",
            "a.b+c@mail.example.co.uk",
            "o'neill@x",
            "u_1@test.com",
            "zoë@bücher.example",
            "zoe\u{308}@bu\u{308}cher.example",
            "प्रिया@डाटामेल.भारत",
            "สมชาย.ที่@ไทย.ไทย",
            &long,
        ] {
            assert!(email(good).is_some(), "{good}");
        }
        assert_eq!(email("zoe\u{308}@x").as_deref(), Some("zoë@x"));
        let (local, label) = (format!("{}@example.com", "x".repeat(65)), format!("a@{}.com", "x".repeat(64)));
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@@example.com",
            "a b@example.com",
            "ada@exam ple.com",
            ".ada@x",
            "ada.@x",
            "a..b@x",
            "ada@.x",
            "ada@x.",
            "ada@-x",
            "ada@x-",
            "ada@[127.0.0.1]",
            "\"a b\"@x",
            "<ada@x>",
            "ada@example.com\n",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada\n@example.com",
            "a\u{2028}b@x",
            "ada\u{0}@x",
            "ada@x,eve@x",
            "ada@x;eve@x",
            "\u{308}zoe@x",
            "zoe@\u{308}x",
            "ada@exam\u{2488}ple.com",
            "ada@xn--a.example",
            &local,
            &label,
        ] {
            assert_eq!(email(bad), None, "{bad:?}");
        }
    }
}
