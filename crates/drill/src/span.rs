//! Times of a drill: `10:00`, or `2d 03:30` on its second day; and lengths: `90min`, `3h`.

use hj212_model::message::Timestamp;
use hj212_model::message::time::BEIJING_OFFSET_SECONDS;

/// Microseconds of a minute.
const MICROS: i64 = 60_000_000;
/// Minutes of an hour and of a day.
pub(crate) const HOUR: i64 = 60;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Minutes since midnight of the drill's first day that `text` says.
pub(crate) fn read_time(text: &str) -> Option<i64> {
    let (day, clock) = match text.split_once("d ") {
        Some((day, clock)) => (day.parse::<i64>().ok().filter(|day| (1..=9).contains(day))?, clock.trim()),
        None => (1, text),
    };
    let (hour, minute) = clock.split_once(':')?;
    let two = |text: &str, most: i64| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| digits && *number <= most)
    };
    let (hour, minute) = (two(hour, 24)?, two(minute, 59)?);
    let whole = hour * HOUR + minute;
    (whole <= DAY).then_some((day - 1) * DAY + whole)
}

/// Minutes that `text` says: a number and `min`, `h` or `d`; a `-` in front where `signed`.
pub(crate) fn read_length(text: &str, signed: bool) -> Option<i64> {
    let (sign, bare) = match text.strip_prefix('-') {
        Some(bare) if signed => (-1, bare),
        Some(_) => return None,
        None => (1, text),
    };
    let (number, unit) = bare.split_at(bare.bytes().take_while(u8::is_ascii_digit).count());
    let unit = match unit.trim() {
        "min" => 1,
        "h" => HOUR,
        "d" => DAY,
        _ => return None,
    };
    number.parse::<i64>().ok().filter(|number| *number <= 100_000).map(|number| sign * number * unit)
}

/// A moment of the drill as people say it, `第1天 10:00`: `minutes` since its begin, which was `begin` minutes after midnight.
#[must_use]
pub fn drill_time(begin: i64, minutes: i64) -> String {
    let at = begin + minutes;
    let (day, rest) = (at.div_euclid(DAY) + 1, at.rem_euclid(DAY));
    format!("第{day}天 {:02}:{:02}", rest / HOUR, rest % HOUR)
}

/// The time that data of a drill's begin say, for a drill that begins `begin` minutes after midnight, lasts `length` minutes and is played from `now` on:
/// in real time (`speed` 1) now, by the full minute; faster on the latest day on which it ends before now, so that no record is of the future.
#[must_use]
pub fn begins(begin: i64, length: i64, speed: f64, now: Timestamp) -> Timestamp {
    let offset = i64::from(BEIJING_OFFSET_SECONDS) * 1_000_000;
    if speed <= 1.0 {
        return Timestamp(now.0.div_euclid(MICROS) * MICROS);
    }
    let latest = (now.0 + offset) / MICROS - begin - length;
    Timestamp((latest.div_euclid(DAY) * DAY + begin) * MICROS - offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-06-03 12:00:30 in Beijing.
    const NOW: Timestamp = Timestamp(1_780_459_230_000_000);

    #[test]
    fn a_drill_ends_before_it_is_played_unless_it_is_played_in_real_time() {
        // 00:00 and 27 h: of the 2nd it would end on the 3rd at 03:00; 34 h: 10:00; 37 h: 13:00, so the 1st.
        for (begin, length, day) in
            [(0, 27, "02T00"), (0, 34, "02T00"), (0, 37, "01T00"), (18, 16, "02T18"), (1, 4, "03T01")]
        {
            let at = begins(begin * HOUR, length * HOUR, 60.0, NOW);
            assert_eq!(at.to_rfc3339(), format!("2026-06-{day}:00:00.000+08:00"));
        }
        assert_eq!(begins(600, 60, 1.0, NOW).to_rfc3339(), "2026-06-03T12:00:00.000+08:00");
    }

    #[test]
    fn times_and_lengths_are_read_and_nothing_else() {
        for (text, minutes) in
            [("10:00", Some(600)), ("2d 03:30", Some(1650)), ("24:00", Some(1440)), ("24:01", None), ("25:00", None)]
        {
            assert_eq!(read_time(text), minutes, "{text}");
        }
        for text in ["", "10", "10:60", "0d 10:00", "xd 10:00", "10:0x", "+1:00", "10:000"] {
            assert_eq!(read_time(text), None, "{text}");
        }
        for (text, minutes) in [("90min", Some(90)), ("3h", Some(180)), ("1d", Some(1440)), ("5 min", Some(5))] {
            assert_eq!(read_length(text, false), minutes, "{text}");
        }
        assert_eq!((read_length("-20min", true), read_length("-20min", false)), (Some(-20), None));
        for text in ["", "h", "3", "3s", "1.5h", "99999999999999999999h"] {
            assert_eq!(read_length(text, true), None, "{text}");
        }
        assert_eq!(drill_time(600, 900), "第2天 01:00");
    }
}
