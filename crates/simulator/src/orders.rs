//! What a command says: which row of the table it is, and whether its parameters are what the table asks for.
//!
//! The table is the one that the gateway writes commands from ([`hj212_downlink::table`]); what is read here is the wire.

use super::clock::read_stamp;
use hj212::sm4::Key;
use hj212::{Edition, Fields};
use hj212_downlink::table::{Kind, ORDERS, Order, Parameter, SET_KEY};
use hj212_model::message::Timestamp;

/// The data area of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) area: &'a [u8],
    pub(crate) fields: &'a Fields,
}

impl<'a> Said<'a> {
    /// The value of the field that is written `name` on the wire.
    pub(crate) fn value(&self, name: &str) -> Option<&'a [u8]> {
        let (item, name) = name.rsplit_once('-').unwrap_or(("", name));
        let found = self.fields.iter(self.area).find(|f| f.item == item.as_bytes() && f.name == name.as_bytes());
        found.map(|field| field.value)
    }

    /// The same as text.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.value(name)?).ok()
    }

    /// The same as a number.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.text(name)?.parse().ok()
    }

    /// BeginTime and EndTime.
    pub(crate) fn span(&self) -> Option<[Timestamp; 2]> {
        Some([read_stamp(self.value("BeginTime")?)?, read_stamp(self.value("EndTime")?)?])
    }

    /// The new key and the time of its making (HJ 212-2025, C.8).
    pub(crate) fn new_key(&self) -> Option<Key> {
        let created = self.value("SKCreateTime")?;
        let key = Key::from_text(self.text("NewSK")?).ok()?;
        (created.len() == 17 && created.iter().all(u8::is_ascii_digit)).then_some(key)
    }

    fn has(&self, parameter: &Parameter) -> bool {
        // TimeOrNow: a choice of who asks for the command, not of who sends it.
        let may_lack = !parameter.required && parameter.kind != Kind::TimeOrNow || parameter.kind == Kind::NewMn;
        may_lack || self.value(&self.wire(parameter)).is_some() || self.any(parameter.kind)
    }

    fn wire(&self, parameter: &Parameter) -> String {
        parameter.wire.replace("{}", self.text("InfoId").unwrap_or_default())
    }

    /// Lists are written with the names of their parts.
    fn any(&self, kind: Kind) -> bool {
        match kind {
            Kind::Limits => self.fields.iter(self.area).any(|field| field.name == b"LowValue"),
            Kind::Hours => self.value("CTime").is_some(),
            Kind::Whole(..)
            | Kind::OneOf(_)
            | Kind::Time
            | Kind::TimeOrNow
            | Kind::HourMinute
            | Kind::HourMinuteSecond
            | Kind::Code
            | Kind::Codes
            | Kind::Password
            | Kind::NewMn
            | Kind::Identifier
            | Kind::Target
            | Kind::Info => false,
        }
    }

    fn is_sound(&self, parameter: &Parameter) -> bool {
        let Some(value) = self.value(&self.wire(parameter)) else { return self.has(parameter) };
        let digits = |length: usize| value.len() == length && value.iter().all(u8::is_ascii_digit);
        let letters = |most: usize| (1..=most).contains(&value.len()) && value.iter().all(u8::is_ascii_alphanumeric);
        let number = || std::str::from_utf8(value).ok().and_then(|text| text.parse::<u32>().ok());
        match parameter.kind {
            Kind::Whole(least, most) => number().is_some_and(|number| (least..=most).contains(&number)),
            Kind::OneOf(list) => number().is_some_and(|number| list.contains(&number)),
            Kind::Time | Kind::TimeOrNow => read_stamp(value).is_some(),
            Kind::HourMinute => digits(4),
            Kind::HourMinuteSecond => digits(6),
            Kind::Code | Kind::Codes => letters(6),
            Kind::Password => value.len() == 6 && letters(6),
            Kind::Identifier => letters(24),
            Kind::Target | Kind::Info => (1..=24).contains(&value.len()),
            Kind::Limits | Kind::Hours | Kind::NewMn => true,
        }
    }
}

/// The command that `cn` with this area is in `edition`. Of two with one CN it is the longer one whose parameters are there.
pub(crate) fn find(cn: u16, edition: Edition, said: Said<'_>) -> Option<&'static Order> {
    if cn == SET_KEY.cn {
        return SET_KEY.editions.contains(&edition).then_some(&SET_KEY);
    }
    let rows = || ORDERS.iter().filter(|order| order.cn == cn && order.editions.contains(&edition));
    let complete = |order: &&Order| order.parameters.iter().all(|parameter| said.has(parameter));
    rows().filter(complete).max_by_key(|order| order.parameters.len()).or_else(|| rows().next())
}

/// Whether the parameters of `order` are all there and what the table says.
pub(crate) fn is_sound(order: &Order, said: Said<'_>) -> bool {
    if order.cn == SET_KEY.cn {
        return said.new_key().is_some();
    }
    order.parameters.iter().all(|parameter| said.is_sound(parameter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(area: &str, look: impl FnOnce(Said<'_>) -> T) -> T {
        let mut fields = Fields::default();
        fields.read(area.as_bytes());
        look(Said { area: area.as_bytes(), fields: &fields })
    }

    fn name(cn: u16, edition: Edition, area: &str) -> Option<&'static str> {
        with(area, |said| find(cn, edition, said).map(|order| order.name))
    }

    fn sound(cn: u16, edition: Edition, area: &str) -> bool {
        with(area, |said| is_sound(find(cn, edition, said).unwrap(), said))
    }

    #[test]
    fn one_number_may_be_two_commands() {
        assert_eq!(name(2011, Edition::V2025, ""), Some("start-realtime"));
        let span = "BeginTime=20261123080000;EndTime=20261123090000";
        assert_eq!(name(2011, Edition::V2025, span), Some("get-electricity"));
        assert_eq!(name(3020, Edition::V2017, "PolId=w01018;InfoId=i13001"), Some("get-info"));
        assert_eq!(name(3020, Edition::V2017, &format!("PolId=w01018;InfoId=i11001;{span}")), Some("get-log"));
        assert_eq!(name(1014, Edition::V2017, ""), None);
        assert_eq!(name(3022, Edition::V2017, "PolId=w01018"), None);
    }

    #[test]
    fn parameters_are_what_the_table_says() {
        assert!(sound(1062, Edition::V2017, "RtdInterval=30"));
        assert!(!sound(1062, Edition::V2017, "RtdInterval=29"));
        assert!(!sound(1062, Edition::V2017, ""));
        assert!(sound(1012, Edition::V2005, "SystemTime=20261123080000"));
        assert!(!sound(1012, Edition::V2005, "SystemTime=20261323080000"));
        assert!(!sound(1012, Edition::V2005, "PolId=101"));
        assert!(sound(1022, Edition::V2005, "101-LowValue=1.1,101-UpValue=9.9"));
        assert!(!sound(1022, Edition::V2005, ""));
        assert!(sound(3021, Edition::V2017, "PolId=w01018;InfoId=i13001;i13001-Info=12.5"));
        assert!(!sound(3021, Edition::V2017, "PolId=w01018;InfoId=i13001;i13002-Info=12.5"));
        assert!(sound(1014, Edition::V2025, "SKCreateTime=20240601085857223,NewSK=0123456789abcdef"));
        assert!(!sound(1014, Edition::V2025, "SKCreateTime=20240601085857223,NewSK=short"));
    }
}
