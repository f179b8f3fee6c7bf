//! Command lines, good and bad.

use super::super::station_behaviour::SealForm;
use super::*;
use clap::{CommandFactory, Parser};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

fn read(line: &str) -> Result<Options, clap::Error> {
    Line::try_parse_from(std::iter::once("simulate").chain(line.split_whitespace())).map(|line| line.options)
}

#[test]
fn an_empty_line_gives_the_defaults() {
    Line::command().debug_assert();
    assert_eq!(read("").unwrap(), Options::default());
    assert_eq!(Options::default().check(), Ok(()));
}

#[test]
fn a_full_line_is_read() {
    let options = read(
        "--connect h:1 --stations 50 --edition 2005,2025 --mix air,power --faults noise=0.5,slow --rate max \
         --duration 2min --connections 10 --bind 127.0.0.1,127.0.0.2",
    )
    .unwrap();
    assert_eq!(options.edition, [Edition::V2005, Edition::V2025]);
    assert_eq!(options.mix, [Subject::Air, Subject::Power]);
    assert_eq!(options.rate, Some(Rate::Max));
    assert_eq!((options.station_count(), options.connection_count()), (50, 10));
    assert_eq!(options.effective_speed(), 750.0);
    let options =
        read("--clock-off -90 --offline 10s..40s --keeps-history --edition 2025 --sealed --seal-form printed").unwrap();
    assert_eq!((options.behaviour.clock_off, options.behaviour.seal_form), (-90, SealForm::Printed));
    assert_eq!(options.behaviour.offline.map(|outage| outage.to), Some(Duration::from_secs(40)));
    assert_eq!(read("--rate 2.5").unwrap().rate, Some(Rate::PerSecond(2.5)));
    assert_eq!(read("--stations 5 --connections 9").unwrap().station_count(), 9);
    assert_eq!(read("--stations 5 --per-connection 2").unwrap().connection_count(), 3);
}

#[test]
fn the_help_explains_every_fault() {
    let help = Line::command().render_long_help().to_string();
    for fault in super::super::faults::Fault::ALL {
        assert!(help.contains(fault.name()), "{}", fault.name());
    }
    assert!(read("--faults list").unwrap_err().to_string().contains("slowloris"));
}

#[test]
fn what_cannot_be_obeyed_is_named() {
    for (line, option) in [
        ("--speed 0.5", "speed"),
        ("--speed 60 --duration 0s", "speed"),
        ("--min-interval 7", "min-interval"),
        ("--interval 1ms", "interval"),
        ("--edition 2005 --mn-prefix AB", "mn-prefix"),
        ("--mn-prefix xyz", "mn-prefix"),
        ("--first 999999", "first"),
        ("--password 12345", "password"),
        ("--keep 0", "keep"),
        ("--mix power --edition 2017", "mix"),
        ("--mix power,condition --edition 2005,2025", "mix"),
        ("--interval 400d", "duration"),
        ("--sealed", "edition"),
        ("--edition 2005,2017 --register", "edition"),
        ("--history 32d", "history"),
    ] {
        assert_eq!(read(line).unwrap().check().unwrap_err().option, option, "{line}");
    }
    for line in [
        "--rate 0",
        "--rate 1e-300",
        "--rate NaN",
        "--rate fast",
        "--edition 2011",
        "--mix fire",
        "--duration 60",
        "--stations 0",
        "--offline 5s",
        "--seal-form hex",
        "--clock-off soon",
        "--edition 2025 --key /dev/null",
    ] {
        assert!(read(line).is_err(), "{line}");
    }
    let secret = read("--password ab").unwrap().check().unwrap_err().to_string();
    assert!(!secret.contains("ab\""), "{secret}");
}
