//! A year of an incineration line, as an inspector would read it.

use super::*;

/// Plays `year.txt`: days in words.
fn play(restored: bool) -> Player {
    let book = book();
    let facts = StationFacts {
        rules: vec!["inc19".into(), "dev22".into()],
        facilities: vec![Facility {
            factors: vec!["a21026".into(), "a34013".into()],
            ..facility("furnace-1", "furnace", "feed=f temp=t burner=b fan=n")
        }],
        limits: Pairs::from([("a21026".to_owned(), "100".to_owned())]),
        ..StationFacts::default()
    };
    let mut player = Player::new(&book, &facts, "2017", "air");
    player.restored = restored;
    for line in fixture("year.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap();
        match word {
            "at" => {
                player.now = super::super::calendar::read(&format!("{}:00+08:00", rest.replace(' ', "T"))).unwrap().0
            }
            "hand" => {
                let words: Vec<&str> = rest.splitn(4, ' ').collect();
                let answer = player.by_hand(words[0], words[1], expr::span(words[2]).unwrap(), words[3]);
                assert!(answer.refused.is_none(), "{line}: {answer:?}");
            }
            "say" => player.steps(rest, "", ""),
            other => panic!("no such line: {other}"),
        }
    }
    player
}

fn table(player: &Player) -> String {
    let mut text = String::from(
        "# time              what             mark            object     standing   validity  effective  more\n",
    );
    let day = |at: Timestamp| at.to_rfc3339()[..16].replace('T', " ");
    for h in &player.happenings {
        let limit = h.detail["limit"].as_str().map(|limit| {
            format!(
                "{limit} {:.1} h of {} h",
                h.detail["used_s"].as_f64().unwrap() / 3600.0,
                h.detail["max_s"].as_i64().unwrap() / 3600
            )
        });
        let more = limit.or_else(|| h.detail["conflict"].as_str().map(str::to_owned)).unwrap_or_default();
        let Some(mark) = &h.mark else { continue };
        let effective = if mark.effect().is_some() { "yes" } else { "no" };
        let near: Vec<String> =
            mark.exceedances.iter().map(|e| format!("after {} = {} > {}", e.code, e.value, e.limit)).collect();
        let line = format!(
            "{}    {:<16} {:<15} {:<10} {:<10} {:<9} {:<10} {more} {}",
            day(h.at),
            h.kind,
            mark.mark,
            mark.object,
            mark.standing.name(),
            mark.validity.name(),
            effective,
            near.join(", ")
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str("\n# counters: limit, object, since, hours used\n");
    for (limit, object, since, used) in player.marks.used() {
        text.push_str(&format!("{limit:<22} {object:<10} {}  {:.1}\n", day(since), used as f64 / 3.6e9));
    }
    text.push_str("\n# validity of readings: factor, validity, how many\n");
    let mut counts: BTreeMap<(String, String), u32> = BTreeMap::new();
    for (code, judged) in player.judged.iter().filter(|(code, _)| code.starts_with('a')) {
        *counts.entry((code.clone(), judged.validity.map_or("-", Validity::name).to_owned())).or_default() += 1;
    }
    for ((code, validity), count) in counts {
        text.push_str(&format!("{code:<8} {validity:<10} {count}\n"));
    }
    text
}

#[test]
fn a_year_gives_the_table_that_it_gave() {
    let now = table(&play(false));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/marking/year.out");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (now, then)) in now.lines().zip(kept.lines()).enumerate() {
        assert_eq!(now, then, "year.out, line {}", number + 1);
    }
    assert_eq!(now.lines().count(), kept.lines().count());
}

#[test]
fn a_year_gives_the_same_over_a_snapshot_before_every_record() {
    let (whole, cut) = (play(false), play(true));
    assert_eq!(whole.marks, cut.marks);
    assert_eq!(whole.happenings, cut.happenings);
    assert_eq!(whole.judged, cut.judged);
}
