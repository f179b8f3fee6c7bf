//! Plants against sums by hand, records against their minutes, files with mistakes, sheets.

mod files;
mod plants;
mod said;
mod sheets;

use super::{Drill, read};

/// A drill of one station or more, with `more` behind.
fn drill(more: &str) -> Drill {
    let text = format!(
        "schema = \"drill/1\"\nid = \"test\"\ntitle = {{ zh = \"试\", en = \"try\" }}\nstory = {{ zh = \"事\", en = \"story\" }}\n\
         begin = \"00:00\"\nlength = \"26h\"\n{more}"
    );
    read("test.toml", &text).unwrap_or_else(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", all.join("\n"))
    })
}

const BOILER: &str = "[[station]]\nid = \"b\"\nmn = \"D00000000000000000000001\"\nname = \"锅炉\"\nplant = \"coal-boiler\"\ninterval = \"5min\"\n\
    limit = [{ code = \"a21026\", max = 50, of = \"hour\" }]\n";
const WORKS: &str = "[[station]]\nid = \"w\"\nmn = \"D00000000000000000000002\"\nname = \"污水厂\"\nplant = \"sewage\"\ninterval = \"10min\"\n";
const RIVER: &str = "[[station]]\nid = \"r\"\nmn = \"D00000000000000000000003\"\nname = \"断面\"\nplant = \"river\"\nupstream = \"w\"\ntravel = \"3h\"\n";
const OVEN: &str = "[[station]]\nid = \"o\"\nmn = \"D00000000000000000000004\"\nname = \"焚烧炉\"\nplant = \"incinerator\"\ninterval = \"5min\"\nedition = \"2025\"\nrules = [\"inc19\"]\n";
