//! One example or more for each command, at the end of its `--help` and in its manual page.
//!
//! What must stay true: every command that does something has an example, and every example is one that the command line takes (tested).

use clap::Command;

/// Words of the command, with blanks between, and its examples: what it is for, the line.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "run",
        &[
            ("as the service does 以服务方式运行", "hj212-gateway run"),
            ("another configuration 指定配置文件", "hj212-gateway run --config ./gateway.toml"),
        ],
    ),
    (
        "check",
        &[
            ("before a start or a reload 启动或重新加载之前", "hj212-gateway check"),
            (
                "tries broker, disk and certificates as well 并试连 MQTT 服务、试写磁盘、查证书",
                "hj212-gateway check --online",
            ),
            ("doubtful settings count as mistakes 可疑设置也算错误", "hj212-gateway check --strict"),
            ("every setting, defaults filled in 列出全部设置", "hj212-gateway check --print"),
        ],
    ),
    (
        "stations import",
        &[
            ("shows what would change 只看差别", "hj212-gateway stations import stations.csv"),
            ("writes it 写入", "hj212-gateway stations import stations.csv --write"),
        ],
    ),
    ("stations export", &[("for Excel 供 Excel 打开", "hj212-gateway stations export --output stations.csv")]),
    (
        "decode",
        &[
            (
                "a frame that was pasted 粘贴的数据包",
                "echo '##0101QN=…;CP=&&RtdInterval=30&&1C80' | hj212-gateway decode",
            ),
            ("a capture, for a script 供程序使用", "hj212-gateway decode --json capture.txt"),
        ],
    ),
    (
        "encode",
        &[
            (
                "a frame with one reading 含一个实时数据",
                "hj212-gateway encode --mn 010000A8900016F000169DC0 --cn 2011 DataTime=20260601101000 w01018-Rtd=12.30,w01018-Flag=N",
            ),
            (
                "encrypted, of 2025 加密",
                "hj212-gateway encode --edition 2025 --keys keys.toml --mn 010000A8900016F000169DC0 --cn 2011 DataTime=20260601101000 a21026-Rtd=1.5",
            ),
        ],
    ),
    (
        "send",
        &[(
            "tries a gateway or a centre 试发",
            "hj212-gateway encode --mn 010000A8900016F000169DC0 --cn 9015 | hj212-gateway send --to 127.0.0.1:9002",
        )],
    ),
    (
        "factors",
        &[
            ("a code of any generation 各代编码", "hj212-gateway factors a21026"),
            ("by name 按名称", "hj212-gateway factors --search 二氧化硫"),
        ],
    ),
    (
        "simulate",
        &[
            (
                "three stations for a minute 三个站点,一分钟",
                "hj212-gateway simulate --connect 127.0.0.1:9002 --stations 3",
            ),
            ("what to register for them 登记内容", "hj212-gateway simulate --print-stations --stations 3"),
            (
                "with bad CRCs and lost lines 含 CRC 错误与断线",
                "hj212-gateway simulate --stations 10 --faults crc-wrong=0.01,half-open --duration 5min",
            ),
        ],
    ),
    ("drill list", &[("what comes along 自带的演练", "hj212-gateway drill list")]),
    ("drill show", &[("to write one's own from 作为样例", "hj212-gateway drill show flood > mine.toml")]),
    ("drill check", &[("one's own 自编的演练", "hj212-gateway drill check mine.toml")]),
    (
        "drill play",
        &[
            ("what to register for it 登记内容", "hj212-gateway drill play flood --stations-toml"),
            (
                "at a gateway and its broker, with a sheet for the printer 进行演练并生成可打印的评分表",
                "hj212-gateway drill play flood --connect 127.0.0.1:9002 --mqtt 127.0.0.1:1883 --score sheet.html",
            ),
            (
                "one's own, in real time 自编演练,实时进行",
                "hj212-gateway drill play mine.toml --mqtt 127.0.0.1:1883 --speed 1",
            ),
        ],
    ),
    (
        "command",
        &[
            ("all commands 全部命令", "hj212-gateway command --list"),
            (
                "what is missing of a morning 补取上午的数据",
                "hj212-gateway command --mn 010000A8900016F000169DC0 get-hours BeginTime=20261123080000 EndTime=20261123100000 --author li --why \"gap of the morning\"",
            ),
            (
                "confirms what somebody else asked for 由另一人确认",
                "hj212-gateway command --mn 010000A8900016F000169DC0 --id cli-1 --confirm WORD --author wang --why agreed",
            ),
        ],
    ),
    ("commands list", &[("what has not ended 未结束的命令", "hj212-gateway commands list --open")]),
    (
        "replay",
        &[(
            "one station from a day on 某站自某日起",
            "hj212-gateway replay --since 2026-11-23T00:00:00+08:00 --mn 010000A8900016F000169DC0",
        )],
    ),
    ("dead-letters list", &[("what the broker would not take 死信", "hj212-gateway dead-letters list")]),
    (
        "dead-letters replay",
        &[("after the broker was mended MQTT 服务恢复后补发", "hj212-gateway dead-letters replay --wait 120")],
    ),
    (
        "seal",
        &[(
            "a password for set-password 密封密码",
            "printf %s 654321 | hj212-gateway seal --mn 010000A8900016F000169DC0",
        )],
    ),
    ("keys list", &[("one station 单站", "hj212-gateway keys list --mn 010000A8900016F000169DC1")]),
    (
        "gaps",
        &[
            ("days on which something is missing 有缺数的日期", "hj212-gateway gaps"),
            ("all days of one station 某站全部", "hj212-gateway gaps --all --mn 010000A8900016F000169DC0"),
        ],
    ),
    ("journal verify", &[("beside a running gateway 运行中也可执行", "hj212-gateway journal verify")]),
    ("journal stats", &[("of a copy 查看备份", "hj212-gateway journal stats --dir /backup/journal")]),
    ("journal dump", &[("ten records 十条记录", "hj212-gateway journal dump --from 1000 --count 10")]),
    (
        "marks explain",
        &[(
            "why a value is marked 数据为何被标记",
            "hj212-gateway marks explain --mn 010000A8900016F000169DC0 --at \"2026-11-23 10:30\" --factor a21026",
        )],
    ),
    (
        "marks list",
        &[(
            "marks since a day 某日以来的标记",
            "hj212-gateway marks list --mn 010000A8900016F000169DC0 --since \"2026-11-23 00:00\"",
        )],
    ),
    (
        "judge explain",
        &[(
            "a factor's day 某因子某日",
            "hj212-gateway judge explain --mn 010000A8900016F000169DC0 --day 2026-06-01 --factor a21026",
        )],
    ),
    ("leads list", &[("the highest rank first 等级高的在前", "hj212-gateway leads list")]),
    (
        "leads explain",
        &[("what it rests on 依据", "hj212-gateway leads explain L1-20260601-a21026 --mn 010000A8900016F000169DC1")],
    ),
    ("alerts list", &[("the worst first 最严重的在前", "hj212-gateway alerts list")]),
    ("push test", &[("whether a sink takes a message 试发一条", "hj212-gateway push test --sink city")]),
    ("cases list", &[("cases of one station 某站案件", "hj212-gateway cases list --mn 010000A8900016F000169DC0")]),
    ("cases show", &[("its steps 办理过程", "hj212-gateway cases show --mn 010000A8900016F000169DC0 case-1")]),
    (
        "cases step",
        &[(
            "signs for it 签收",
            "hj212-gateway cases step --mn 010000A8900016F000169DC0 --role enterprise case-1 sign --author li",
        )],
    ),
    (
        "score",
        &[
            ("this month, all stations 本月全部站点", "hj212-gateway score"),
            ("a company's stations 某运维单位", "hj212-gateway score --month 2026-06 --operator OM-0007"),
        ],
    ),
    (
        "ledger list",
        &[("since a day 某日以来的台账", "hj212-gateway ledger list --mn 010000A8900016F000169DC0 --since 2026-06-01")],
    ),
    (
        "evidence pack",
        &[(
            "a day of one station 某站一天",
            "hj212-gateway evidence pack --mn 010000A8900016F000169DC0 --from 2026-06-01 --to 2026-06-02 --out pack.zip",
        )],
    ),
    ("evidence verify", &[("offline 离线核验", "hj212-gateway evidence verify pack.zip --print")]),
    (
        "generate",
        &[("manual pages and completions, for a package", "hj212-gateway generate --to target/package/generated")],
    ),
    (
        "demo",
        &[
            ("until Ctrl-C 直到 Ctrl-C", "hj212-gateway demo"),
            ("ten stations for a minute 十个站点,一分钟", "hj212-gateway demo --stations 10 --duration 1min"),
        ],
    ),
];

/// Gives each command below `command` its examples.
pub(super) fn with_examples(command: Command) -> Command {
    added(command, "")
}

fn added(command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = names.into_iter().fold(command, |command, name| {
        let below = if path.is_empty() { name.clone() } else { format!("{path} {name}") };
        command.mut_subcommand(name, |sub| added(sub, &below))
    });
    let Some((_, examples)) = EXAMPLES.iter().find(|(words, _)| *words == path) else { return command };
    let lines: Vec<String> = examples.iter().map(|(what, line)| format!("  # {what}\n  {line}")).collect();
    let before = command.get_after_help().map(|text| format!("{text}\n\n")).unwrap_or_default();
    command.after_help(format!("{before}Examples 示例:\n{}", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves below `command` and their words.
    fn leaves(command: &Command, path: &[String], found: &mut Vec<Vec<String>>) {
        if !command.has_subcommands() {
            found.push(path.to_vec());
        }
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let below = [path, &[sub.get_name().to_owned()]].concat();
            leaves(sub, &below, found);
        }
    }

    /// The words of a line as a shell reads them: blanks between, quotes around.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut quote) = (vec![String::new()], None);
        for c in line.chars() {
            match (c, quote) {
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(q)) if c == q => quote = None,
                (' ', None) => words.push(String::new()),
                (c, _) => words.last_mut().unwrap().push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn every_command_has_examples_and_the_command_line_takes_each() {
        let command = super::super::command_line();
        let mut all = Vec::new();
        leaves(&command, &[], &mut all);
        assert!(all.len() > 20, "the commands were not found");
        for path in &all {
            let shown = EXAMPLES.iter().find(|(words, _)| *words == path.join(" "));
            assert!(shown.is_some_and(|(_, examples)| !examples.is_empty()), "{path:?} has no example");
        }
        for (path, examples) in EXAMPLES {
            let known = all.iter().any(|words| words.join(" ") == *path);
            // The demo is not in every build.
            assert!(known || *path == "demo", "{path} is no command");
            for (_, line) in examples.iter().filter(|_| known) {
                let own = format!("hj212-gateway {path}");
                assert!(line.contains(&own), "{line} is no example of {path}");
                for part in line.split('|').map(str::trim).filter(|part| part.starts_with("hj212-gateway")) {
                    let taken = command.clone().try_get_matches_from(words(part.split(" > ").next().unwrap_or(part)));
                    assert!(taken.is_ok(), "{part}: {}", taken.unwrap_err());
                }
            }
        }
    }

    #[test]
    fn help_shows_them() {
        let mut command = super::super::command_line();
        let help = command.find_subcommand_mut("replay").unwrap().render_long_help().to_string();
        assert!(help.contains("# one station from a day on") && help.contains("byte for byte"), "{help}");
    }
}
