//! How durations and sizes are written in configuration files: `"30s"`, `"64MiB"`. Shared by every module's settings.

/// A [`std::time::Duration`] as `"200ms"`, `"30s"`, `"5min"`, `"2h"`, `"7d"`, `"5y"`. A year is 366 days: what must be kept for years is never
/// kept too short.
pub mod duration {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::time::Duration;

    const UNITS: [(&str, u64); 6] =
        [("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("y", 366 * 86_400_000)];

    /// Reads a whole number and its unit.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "\"{text}\" is no duration: write a whole number and a unit (ms, s, min, h, d, y), as \"30s\""
            ))
        })
    }

    /// Writes it with the largest unit that divides it.
    pub fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format(*value))
    }

    /// Reads `"30s"`; `None` if it is no duration.
    #[must_use]
    pub fn parse(text: &str) -> Option<Duration> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let unit = text[digits..].trim();
        let factor = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        Some(Duration::from_millis(text[..digits].parse::<u64>().ok()?.checked_mul(factor)?))
    }

    /// Writes it with the largest unit that divides it; nothing is `"0s"`.
    #[must_use]
    pub fn format(value: Duration) -> String {
        let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return "0s".to_owned();
        }
        let (unit, factor) = UNITS.iter().rev().find(|(_, f)| millis.is_multiple_of(*f)).unwrap_or(&UNITS[0]);
        format!("{}{unit}", millis / factor)
    }
}

/// A size in bytes as `"512B"`, `"64KiB"`, `"64MiB"`, `"20GiB"`.
pub mod size {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    const UNITS: [(&str, u64); 5] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

    /// Reads a whole number and its unit.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "\"{text}\" is no size: write a whole number and a unit (B, KiB, MiB, GiB, TiB), as \"64MiB\""
            ))
        })
    }

    /// Writes it with the largest unit that divides it.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes by reference")]
    pub fn serialize<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format(*value))
    }

    /// Reads `"64MiB"`; `None` if it is no size.
    #[must_use]
    pub fn parse(text: &str) -> Option<u64> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let unit = text[digits..].trim();
        let factor = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        text[..digits].parse::<u64>().ok()?.checked_mul(factor)
    }

    /// Writes it with the largest unit that divides it.
    #[must_use]
    pub fn format(value: u64) -> String {
        let (unit, factor) =
            UNITS.iter().rev().find(|(_, f)| value != 0 && value.is_multiple_of(*f)).unwrap_or(&UNITS[0]);
        format!("{}{unit}", value / factor)
    }
}

/// One text, or a list of them.
pub mod texts {
    use std::fmt;

    use serde::de::{Deserializer, SeqAccess, Visitor};

    struct OneOrMany;

    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text, or a list of texts")
        }

        fn visit_str<E>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = list.next_element()? {
                texts.push(text);
            }
            Ok(texts)
        }
    }

    /// Reads `"a"` or `["a", "b"]`.
    ///
    /// # Errors
    /// If it is neither.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
        from.deserialize_any(OneOrMany)
    }
}

#[cfg(test)]
mod tests {
    use super::{duration, size};
    use std::time::Duration;

    #[test]
    fn durations_and_sizes_come_back_as_written() {
        for text in ["0s", "200ms", "30s", "5min", "2h", "7d", "5y"] {
            assert_eq!(duration::format(duration::parse(text).unwrap()), text);
        }
        for text in ["512B", "64KiB", "64MiB", "20GiB"] {
            assert_eq!(size::format(size::parse(text).unwrap()), text);
        }
        assert_eq!(duration::parse("90s"), Some(Duration::from_secs(90)));
        for wrong in ["", "30", "s", "-1s", "1.5s", "1 year", "99999999999999999999s"] {
            assert_eq!(duration::parse(wrong), None, "{wrong}");
            assert_eq!(size::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn one_text_is_a_list_of_one() {
        #[derive(serde::Deserialize)]
        struct Settings {
            #[serde(deserialize_with = "super::texts::deserialize")]
            address: Vec<String>,
        }
        let read = |text: &str| serde_json::from_str::<Settings>(text).map(|settings| settings.address);
        assert_eq!(read(r#"{"address":"[::]:9002"}"#).unwrap(), ["[::]:9002"]);
        assert_eq!(read(r#"{"address":["a","b"]}"#).unwrap(), ["a", "b"]);
        assert!(read(r#"{"address":9002}"#).unwrap_err().to_string().contains("a text, or a list of texts"));
    }
}
