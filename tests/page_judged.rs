//! The status page as an inspector uses it, in a real browser: the board of alerts by colour and region, a station's days with their three
//! values, a day with its hours and its limit, a case step by step; and that axe-core finds nothing to say of any of it, light, dark or narrow.
//!
//! `HJ212_PICTURES=FOLDER` keeps pictures of what was seen. Needs Chromium (`deploy/install-chromium`) and, for the last part, axe-core
//! (`deploy/install-axe`; `AXE_REQUIRED` makes it a failure to have none).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod browser;
#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use browser::Browser;
use gateway::{BINARY, Gateway, get};
use hj212::write;
use hj212_model::clock;
use hj212_simulator as sim;
use hj212_test_broker::Broker;
use jiff::SignedDuration;
use jiff::civil::DateTime;
use serde_json::Value;

/// One that meets its limit, one that does not.
const GOOD: &str = "340100A00000000000000011";
const BAD: &str = "340200A00000000000000012";
/// Days of hours that are sent; the last of them is today.
const DAYS: i64 = 6;

const MORE: &str = "[marking]\nentries = true\n[judgement]\nenabled = true\nsettle_spread = \"1s\"\n\
    [alerts]\nenabled = true\naccept_placeholders = true\n[cases]\nsteps = true\n";

fn register(gateway: &Gateway) {
    let station = |mn: &str, name: &str, region: &str| {
        format!(
            "\n[[station]]\nmn = \"{mn}\"\nname = \"{name}\"\npw = \"654321\"\nst = \"31\"\nedition = \"2017\"\n\
             tags = {{ region = \"{region}\" }}\n[[station.limit]]\ncode = \"a21026\"\nmax = 80\nof = \"day\"\nbasis = \"measured\"\n\
             decimals = 0\nclause = \"GB 18485-2014\"\ncertainty = \"R\"\n"
        )
    };
    let mut file = std::fs::OpenOptions::new().append(true).open(gateway.path("stations.toml")).unwrap();
    write!(file, "{}{}", station(GOOD, "达标焚烧厂", "340100"), station(BAD, "超标水泥厂", "340200")).unwrap();
}

/// Says the hours of the last days: always 40, or 100 on the four days before today. Yesterday too: a day that is met ends the alert when it is settled,
/// and after noon it is.
fn speak(gateway: &Gateway, mn: &str, now: DateTime, exceeds: bool) {
    let mut stream = TcpStream::connect(gateway.listen).unwrap();
    let today = now.date().at(0, 0, 0, 0);
    let mut hour = today.checked_sub(SignedDuration::from_hours(24 * (DAYS - 1))).unwrap();
    let mut number = 0;
    while hour < now.checked_sub(SignedDuration::from_hours(1)).unwrap() {
        let back = today.date().since(hour.date()).unwrap().get_days();
        let value = if exceeds && (1..=4).contains(&back) { "100.5" } else { "40.2" };
        number += 1;
        let text = |at: DateTime| at.strftime("%Y%m%d%H%M%S").to_string();
        let mut frame = Vec::new();
        write::frame(&mut frame, |out| {
            let segment = format!(
                "QN={}{number:03};ST=31;CN=2061;PW=654321;MN={mn};Flag=5;CP=&&DataTime={};a21026-Avg={value},a21026-Flag=N&&",
                text(now),
                text(hour)
            );
            out.extend_from_slice(segment.as_bytes());
        });
        stream.write_all(&frame).unwrap();
        let mut answer = [0; 512];
        assert!(stream.read(&mut answer).unwrap() > 0, "answered");
        hour = hour.checked_add(SignedDuration::from_hours(1)).unwrap();
    }
}

fn asked(port: u16, path: &str) -> Value {
    let (status, body) = get(port, path);
    assert!(matches!(status, 200 | 503), "{path}: {status} {body}");
    serde_json::from_str(&body).unwrap_or_default()
}

/// A step of a case as an office takes it.
fn step(gateway: &Gateway, case: &str, role: &str, step: &str, text: &str) {
    let config = gateway.path("gateway.toml");
    let mut command = Command::new(BINARY);
    command.args(["cases", "step", "--mn", BAD, "--role", role, "--author", "li", "--text", text]);
    let done = command.arg("--config").arg(config).args([case, step]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_what_was_judged() {
    let Some(mut browser) = tokio::task::spawn_blocking(Browser::start).await.unwrap() else {
        println!("NOT RUN: no Chromium on the PATH");
        return;
    };
    let broker = Broker::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let options = sim::Options { stations: 1, ..sim::Options::default() };
    let (mut gateway, port) = Gateway::seen(&options, broker.address().port(), MORE);
    tokio::task::spawn_blocking(move || {
        register(&gateway);
        gateway.start();
        let now = jiff::Timestamp::from_microsecond(clock::now().0).unwrap();
        let now = jiff::tz::Offset::constant(8).to_datetime(now);
        speak(&gateway, GOOD, now, false);
        speak(&gateway, BAD, now, true);
        let begun = Instant::now();
        // Days settle when time next passes for a station.
        let alert = loop {
            let alerts = asked(port, "/api/alerts");
            let one = alerts["alerts"].as_array().and_then(|all| all.first()).cloned();
            if let Some(one) =
                one.filter(|_| asked(port, "/api/cases")["cases"].as_array().is_some_and(|c| !c.is_empty()))
            {
                break one;
            }
            assert!(begun.elapsed() < Duration::from_secs(300), "no alert: {alerts}\n{}", gateway.log());
            std::thread::sleep(Duration::from_millis(200));
        };
        assert_eq!((alert["mn"].as_str(), alert["region"].as_str()), (Some(BAD), Some("340200")));
        let folder = std::env::var_os("HJ212_PICTURES").map_or_else(|| gateway.path("pictures"), PathBuf::from);
        std::fs::create_dir_all(&folder).unwrap();
        let page = format!("http://127.0.0.1:{port}/");
        browser.open(&page);
        browser.until("document.querySelectorAll('#rows tr').length === 3");
        if browser.script("zh").as_bool() == Some(false) {
            browser.click("#language");
        }

        // The board, narrowed by its own address.
        browser.script("location.hash = 'alerts'");
        let row = browser.until("document.querySelector('[data-alert]')?.innerText");
        let colour = alert["colour"].as_str().unwrap();
        assert!(row.as_str().unwrap().contains("超标水泥厂") && row.as_str().unwrap().contains("340200"), "{row}");
        assert_eq!(browser.script(&format!("document.querySelector('[data-colour={colour}] b').innerText")), "1");
        assert!(browser.script("document.querySelector('#alerts .note').innerText").as_str().unwrap().contains("占位"));
        browser.picture(&folder.join("alerts.png"));
        browser.script("location.hash = 'alerts?colour=none-such'");
        browser.until("!document.querySelector('[data-alert]')");

        // A station's days, and one of them.
        browser.script(&format!("location.hash = 'station={BAD}'"));
        browser.until(&format!("document.querySelector('#judged')?.dataset.ready === '{BAD}'"));
        let signs = browser
            .script("[...document.querySelectorAll('[data-strip=a21026] .day')].map(day => day.innerText).join('')");
        let met_before = "✓".repeat(usize::try_from(DAYS - 5).unwrap());
        assert!(signs.as_str().unwrap().starts_with(&format!("{met_before}✗✗✗")), "{signs}");
        browser.click("[data-strip=a21026] a.day.over");
        browser.until("document.querySelector('#day')?.dataset.day");
        let day = browser.script("document.querySelector('#day').innerText");
        for part in ["100.5", "80", "超标", "GB 18485-2014"] {
            assert!(day.as_str().unwrap().contains(part), "{part}: {day}");
        }
        assert_eq!(browser.script("document.querySelectorAll('#day rect.hour.valid').length"), 24);
        assert!(browser.script("location.hash").as_str().unwrap().contains("&day=20"), "it can be sent to somebody");
        browser.picture(&folder.join("day.png"));
        browser.script(&format!("location.hash = 'station={GOOD}'"));
        browser.until(&format!("document.querySelector('#judged')?.dataset.ready === '{GOOD}'"));
        assert_eq!(browser.script("document.querySelectorAll('#judged [data-strip] .day.over').length"), 0);
        browser.until(&format!("document.querySelector('#one').dataset.ready === '{GOOD}'"));

        // A case and its steps.
        let case = asked(port, "/api/cases")["cases"][0]["id"].as_str().unwrap().to_owned();
        step(&gateway, &case, "enterprise", "sign", "已签收");
        step(&gateway, &case, "enterprise", "reply", "布袋破损,已更换");
        browser.script("location.hash = 'cases'");
        browser.until("document.querySelector('[data-case]')?.innerText.includes('已反馈')");
        browser.click("[data-case] a");
        browser.until("document.querySelectorAll('#cases [data-step]').length === 3");
        let life = browser.script("document.querySelector('#cases').innerText");
        assert!(
            life.as_str().unwrap().contains("布袋破损,已更换") && life.as_str().unwrap().contains("待签收 → 已签收"),
            "{life}"
        );
        browser.picture(&folder.join("case.png"));
        assert!(life.as_str().unwrap().contains("阈值为占位值"), "{life}");
        speaks_in_words(&mut browser);

        // The list by what is sorted, as its address says.
        browser.open("about:blank");
        browser.open(&format!("{page}#list?sort=name&down=true"));
        browser.until("document.querySelectorAll('#rows tr').length === 3");
        let first = browser.script("document.querySelector('#rows tr').innerText");
        assert!(first.as_str().unwrap().contains("达标焚烧厂"), "达 comes after 超: {first}");
        browser.click("[data-sort=heard]");
        browser.until("document.querySelector('#rows tr').dataset.mn.startsWith('0212')");

        // Scorecards, sorted as the address says: the table alone, for cards are said after 13:00.
        let card = |mn: &str, value: &str, num: u32| {
            serde_json::json!({
                "mn": mn, "name": mn, "operator": "OM-0007", "county": null, "city": null, "stage": "provisional", "revision": 0,
                "grade": { "id": "green", "zh": "绿", "en": "green" },
                "measures": { "etr": { "value": value, "parts": [{ "id": "transmission", "num": num, "den": 100 }, { "id": "validity", "num": 9, "den": 10 }] } },
            })
        };
        let sheet = serde_json::json!({
            "enabled": true, "placeholder": true, "month": "2026-06", "months": ["2026-05", "2026-06"], "time": "2026-06-20T13:30:00.000+08:00",
            "measures": [{ "id": "etr", "zh": "有效传输率", "en": "effective transmission rate", "unit": "%", "clause": "-", "certainty": "C" }],
            "stations": [card(BAD, "85.50", 95), card(GOOD, "90.00", 100)], "operators": [card("-", "87.75", 195)], "left_out": 0,
            "sum": { "stations": 2, "measures": {} },
        });
        browser.script(&format!(
            "window.before = fetch; window.fetch = path => String(path).startsWith('/api/scores') ? Promise.resolve(new Response({:?})) : before(path); 0",
            sheet.to_string()
        ));
        browser.script("location.hash = 'scores?sort=etr&down=true'");
        browser.until(&format!("document.querySelector('#scores [data-score]')?.dataset.score === '{GOOD}'"));
        let row = browser.script("document.querySelector('#scores [data-score]').innerText");
        assert!(row.as_str().unwrap().contains("90.00") && row.as_str().unwrap().contains("100/100 × 9/10"), "{row}");
        browser.click("#scores [data-sort=mn]");
        browser.until("location.hash === '#scores?sort=mn'");
        browser.click("#scores [data-sort=etr]");
        browser.until(&format!("document.querySelector('#scores [data-score]')?.dataset.score === '{BAD}'"));
        browser.picture(&folder.join("scores.png"));

        is_accessible(&mut browser, &case);
        assert_eq!(browser.complaints(), [""; 0]);
        assert!(gateway.stop().1);
    })
    .await
    .unwrap();
    broker.stop().await;
}

/// Codes have names in the language of the page, events stand in the order of their times, and what waits is measured over a minute.
fn speaks_in_words(browser: &mut Browser) {
    let said = |browser: &mut Browser, script: &str| {
        let said = browser.script(script);
        said.as_str().map(str::to_owned).unwrap_or_else(|| panic!("{script}: {said}"))
    };
    let gap = r#"eventText({ kind: "gap-closed", data_kind: "minute", from: "2026-06-01T00:10:00+08:00", to: "2026-06-01T00:50:00+08:00", count: 5, cause: "offline", reason: "recalled", came: 4, recalled: 3, missing: 1 })"#;
    let order = r#"nowOf({ latest: {}, marks: [], completeness: [], events: ["12:16:17", "03:00:00", "12:16:05"].map(time => ({ kind: "online", time: `2026-06-01T${time}.000+08:00` })) }).filter(Boolean).at(-1).innerText.match(/\d\d:\d\d:\d\d/g).join(" ")"#;
    let other = r#"eventText({ kind: "flag-differs", detail: { certainty: "V", clause: "6.2", needed: "3/4" } })"#;
    // 14 records in 24 s are 35 a minute; while the broker is away what waits is growing though nothing was measured.
    let note = |connected: bool, first: u32| {
        format!(
            "(() => {{ const kept = samples.splice(0); samples.push({{ heard: 0, backlog: {first} }}, {{ heard: 24000, backlog: 230 }}); \
             const said = backlogNote({{ journal: {{ backlog: 230, oldest: null }}, broker: {{ connected: {connected} }} }}); \
             samples.splice(0, 2, ...kept); return said }})()"
        )
    };
    assert_eq!(said(browser, &note(true, 216)), "每分钟增加 35 条");
    assert_eq!(said(browser, &note(true, 230)), "未在增长");
    assert_eq!(said(browser, &note(false, 230)), "正在增加");
    let words = said(browser, gap);
    assert!(words.contains("分钟数据") && words.contains("补召成功;补齐 4 条(补召 3 条),仍缺 1 条"), "{words}");
    assert_eq!(said(browser, order), "12:16:17 12:16:05 03:00:00");
    assert_eq!(said(browser, other), "确定程度：已核对原文 · 依据：6.2 · 所需：3/4");
    assert_eq!(said(browser, "reasonName('pw-wrong') + factorName('a21026', '')"), "PW 与登记的不符二氧化硫");
    assert!(
        said(browser, "brokerWhy('the broker cannot be reached: Connection refused (os error 111)')")
            .starts_with("无法连接 MQTT 服务: 连接被拒绝")
    );

    browser.click("#language");
    browser.until("document.querySelectorAll('#cases [data-step]').length === 3 && document.querySelector('#cases').innerText.includes('placeholder thresholds')");
    let own = said(browser, "document.querySelector('#cases [data-step=open]').innerText");
    let is_chinese = |c: char| ('一'..='龥').contains(&c);
    assert!(!own.contains(is_chinese), "{own}");
    assert_eq!(said(browser, "factorName('a21026', '二氧化硫')"), "sulfur dioxide");
    assert!(!said(browser, gap).contains(is_chinese));
    // An address is never broken, however wide the rest of its row is.
    let narrow = serde_json::json!({ "width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": false });
    browser.call("Emulation.setDeviceMetricsOverride", narrow);
    let high = "(() => { const row = make('tr', {}, make('td', {}, 'x '.repeat(400)), make('td', { class: 'mono peer' }, '192.168.100.200:54321')); const box = make('table', {}, row); document.body.append(box); const high = row.lastChild.getClientRects()[0].height > 0 && getComputedStyle(row.lastChild).whiteSpace; box.remove(); return high })()";
    assert_eq!(said(browser, high), "nowrap");
    // On a telephone nothing of the list stands beside the screen, and the reason stands under the name.
    let narrow = serde_json::json!({ "width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": false });
    browser.call("Emulation.setDeviceMetricsOverride", narrow);
    browser.script("location.hash = 'list'");
    browser.until("!document.querySelector('#list').hidden && document.querySelectorAll('#rows tr').length === 3");
    for table in ["#rows", "#refusals"] {
        browser.until(&format!(
            "(box => box.scrollWidth <= box.clientWidth)(document.querySelector('{table}').closest('.wide'))"
        ));
    }
    browser.until("(row => row.cells[1].getBoundingClientRect().bottom <= row.cells[8].getBoundingClientRect().top + 1 && row.cells[8].getBoundingClientRect().bottom <= row.cells[3].getBoundingClientRect().top + 1)(document.querySelector('#rows tr'))");
    browser.call("Emulation.clearDeviceMetricsOverride", serde_json::json!({}));
    browser.click("#language");
}

/// axe-core finds nothing on the list, a station, the board, a case: light, dark, and as wide as a telephone.
fn is_accessible(browser: &mut Browser, case: &str) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/target/axe/axe.min.js");
    let Ok(axe) = std::fs::read_to_string(file) else {
        assert!(std::env::var_os("AXE_REQUIRED").is_none(), "no {file}: run deploy/install-axe");
        println!("NOT RUN: no axe-core (deploy/install-axe)");
        return;
    };
    browser.script(&format!("{axe};0"));
    let places = [
        ("list".to_owned(), "document.querySelectorAll('#rows tr').length === 3".to_owned()),
        (format!("station={BAD}"), format!("document.querySelector('#one').dataset.ready === '{BAD}'")),
        ("alerts".to_owned(), "document.querySelector('[data-alert]')".to_owned()),
        ("cases".to_owned(), "document.querySelector('[data-case]')".to_owned()),
        ("scores".to_owned(), "document.querySelector('[data-score]')".to_owned()),
        (format!("case={BAD}/{case}"), "document.querySelectorAll('#cases [data-step]').length === 3".to_owned()),
    ];
    for (scheme, width) in [("light", 1400), ("dark", 1400), ("dark", 390)] {
        browser.scheme(scheme);
        let narrow = serde_json::json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        browser.call("Emulation.setDeviceMetricsOverride", narrow);
        for (place, there) in &places {
            browser.script(&format!("location.hash = {place:?}"));
            browser.until(&format!("!!({there})"));
            let found = browser.script(
                "axe.run().then(found => found.violations.map(v => `${v.id}: ${v.nodes.map(n => n.html.slice(0, 200)).join(' | ')}`))",
            );
            assert_eq!(found, serde_json::json!([]), "{place}, {scheme}, {width} wide");
        }
    }
}
