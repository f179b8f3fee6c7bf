//! `--evidence`: what is handed over to a court.

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn records_hashes_rules_entries_and_rulings_are_handed_over_without_passwords() {
    let written = day_of_hours();
    let entry = r#"{"schema":"hj212.mark-entry/1","id":"E1","mark":"inc19:fault","object":"furnace-1","begin":"2026-06-01T12:00:00+08:00","end":"2026-06-01T13:00:00+08:00","reason":"跳闸","proof":"照片","author":"王"}"#;
    written.put_at(civil("2026-06-02T08:00:00"), &Record::MarkEntry { mn: "M1", id: "E1", json: entry.as_bytes() });
    let ruling = r#"{"schema":"hj212.mark-ruling/1","id":"R1","about":"E1","ruling":"annul","reason":"在运行","author":"pa-1","decision":"皖环〔2026〕7 号"}"#;
    let record = Record::MarkRuling { mn: "M1", role: "city", id: "R1", json: ruling.as_bytes() };
    written.put_at(civil("2026-06-02T09:00:00"), &record);
    let base = ["explain", "--mn", "M1", "--at", "2026-06-01 12:00", "--kind", "hour", "--factor", "a21026"];
    let (code, out, said) = written.ask(&[&base[..], &["--evidence"]].concat());
    assert_eq!(code, 0, "{said}");
    // The frame as it was received, its own hash, its place in the chain.
    let segment = "QN=20260601130200000;ST=31;CN=2061;PW=123456;MN=M1;Flag=5;CP=&&DataTime=20260601120000;a21026-Avg=12.5,a21026-Flag=D;a34013-Avg=20,a34013-Flag=N&&";
    let mut raw = Vec::new();
    write::frame(&mut raw, |bytes| bytes.extend_from_slice(segment.as_bytes()));
    holds(&out, &["PW=******;MN=M1", "a21026-Avg=12.5", &format!("sha256:{}", hex(&Sha256::digest(&raw)))]);
    assert!(!out.contains("123456"), "{out}");
    let (_, dump, _) = run(&["journal", "dump", "--dir", "journal", "--json"], written.folder.path());
    let hash_of = |part: &str| {
        let line = dump.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {dump}"));
        serde_json::from_str::<serde_json::Value>(line).unwrap()["hash"].as_str().unwrap().to_owned()
    };
    let (data, before) = (hash_of("DataTime=20260601120000"), hash_of("DataTime=20260601110000"));
    holds(&out, &[&format!("链 chain: {data}"), &format!("前一 previous: {before}"), "from 10.0.0.9:7000"]);
    // What judged it: the registration, the rule's text, the hash of its file.
    let rules = std::fs::read("config/marking/hj212-2017.toml").unwrap();
    let hash = hex(&Sha256::digest(&rules));
    holds(&out, &[&format!("规则文件 rule file hj212-2017.toml: sha256:{hash}"), "[[rule]]", "when = "]);
    holds(&out, &[&format!("registration and rules in force: sha256:{}", hex(&Sha256::digest(CONTEXT)))]);
    // What people said, and where that stands.
    holds(&out, &["填报 entry", "裁定 ruling", &hash_of("mark-entry"), &hash_of("mark-ruling"), "皖环〔2026〕7 号"]);
    holds(&out, &[&format!("sha256:{}", hex(&Sha256::digest(entry)))]);
    // Without the option nothing of it is shown.
    assert!(!written.ask(&base).1.contains("证据"), "only when it is asked for");
}

#[test]
fn a_reader_that_goes_away_is_no_mistake() {
    let written = day_of_hours();
    let program = env!("CARGO_BIN_EXE_hj212-gateway");
    let script = format!(
        "{{ {program} marks explain --mn M1 --at '2026-06-01' --evidence --dir journal; echo $? > code; }} 2> errors | head -n 1"
    );
    let out =
        std::process::Command::new("sh").args(["-c", &script]).current_dir(written.folder.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout).lines().count(), 1);
    let read = |name: &str| std::fs::read_to_string(written.folder.path().join(name)).unwrap();
    assert_eq!((read("code").trim(), read("errors").as_str()), ("0", ""));
}
