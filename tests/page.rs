//! The status page in a real browser, before a gateway with 10,000 simulated stations: whoever has only the page finds why a frame was
//! refused, since when a mark holds and by which rule, and what the backlog is doing; and the page stays quick meanwhile.
//!
//! `HJ212_PICTURES=FOLDER` keeps pictures of what was seen. Needs Chromium (`deploy/install-chromium`); without it nothing is tested unless
//! `CHROMIUM_REQUIRED` is set, as `make test` does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has spoken")]

mod browser;
#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use browser::Browser;
use gateway::Gateway;
use hj212::write;
use hj212_model::clock;
use hj212_simulator as sim;
use hj212_test_broker::Broker;
use tokio_util::sync::CancellationToken;

/// Simulated stations, and the time in which each of them speaks once: 500 frames a second.
const STATIONS: u32 = 10_000;
const INTERVAL: Duration = Duration::from_secs(20);

/// The page is there within this time, milliseconds.
const FIRST_PAINT_MAX: f64 = 1_000.0;
/// No task of the page takes longer, milliseconds.
const TASK_MAX: f64 = 200.0;

/// A station whose frames the test writes itself.
const MN: &str = "340100A00000000000000001";
const NAME: &str = "页面核对电厂";

/// Who has it may switch a wire log.
const TOKEN: &str = "fedcba9876543210";

/// Notes what the page does from its first moment on: long tasks, the longest time without a picture, the first rows, updates.
const WATCH: &str = "window.seen = { task: 0, gap: 0, rows: 0, updates: 0 };
    new PerformanceObserver(list => list.getEntries().forEach(e => seen.task = Math.max(seen.task, e.duration))).observe({ type: 'longtask', buffered: true });
    (function beat(last) { requestAnimationFrame(now => { if (last) seen.gap = Math.max(seen.gap, now - last); beat(now) }) })(0);
    new MutationObserver(list => {
        if (!seen.rows && document.querySelector('#rows tr')) seen.rows = performance.now();
        if (list.some(m => m.target.id === 'tiles')) seen.updates += 1;
    }).observe(document, { childList: true, subtree: true });";

/// A gateway with a status page, the simulated stations, and the one of the test.
fn gateway(options: &sim::Options, mqtt: SocketAddr) -> (Gateway, String) {
    let (gateway, port) = Gateway::seen(options, mqtt.port(), "");
    let file = gateway.path("gateway.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(gateway.path("token"), TOKEN).unwrap();
    std::fs::write(&file, text.replace("[http]\n", "[http]\ntoken_file = \"token\"\n")).unwrap();
    let mut stations = std::fs::OpenOptions::new().append(true).open(gateway.path("stations.toml")).unwrap();
    writeln!(
        stations,
        "\n[[station]]\nmn = \"{MN}\"\nname = \"{NAME}\"\npw = \"654321\"\nst = \"31\"\nedition = \"2017\"\ntags = {{ region = \"341700\" }}"
    )
    .unwrap();
    (gateway, format!("http://127.0.0.1:{port}/"))
}

/// What the test's station says: a fault by its own flag, with a clock that is a quarter of an hour slow.
fn speak(stream: &mut TcpStream) {
    let now = jiff::Timestamp::from_microsecond(clock::now().0).unwrap();
    let local = jiff::tz::Offset::constant(8).to_datetime(now - jiff::SignedDuration::from_mins(15));
    let (date, time) = (local.date().to_string().replace('-', ""), local.time());
    let seconds = format!("{date}{:02}{:02}{:02}", time.hour(), time.minute(), time.second());
    let mut frame = Vec::new();
    write::frame(&mut frame, |out| {
        let text = format!(
            "QN={seconds}000;ST=31;CN=2011;PW=654321;MN={MN};Flag=5;CP=&&DataTime={seconds};a21026-Rtd=35.20,a21026-Flag=D;a34013-Rtd=4.1,a34013-Flag=N&&"
        );
        out.extend_from_slice(text.as_bytes());
    });
    stream.write_all(&frame).unwrap();
}

/// The same station with a CRC that is wrong.
fn misspeak(stream: &mut TcpStream) {
    let text = format!("QN=20261101000000000;ST=31;CN=2051;PW=654321;MN={MN};Flag=5;CP=&&DataTime=20261101000000&&");
    write!(stream, "##{:04}{text}0BAD\r\n", text.len()).unwrap();
}

fn pictures(gateway: &Gateway) -> PathBuf {
    let folder = std::env::var_os("HJ212_PICTURES").map_or_else(|| gateway.path("pictures"), PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_answers_the_questions_of_the_night_shift() {
    let Some(mut browser) = tokio::task::spawn_blocking(Browser::start).await.unwrap() else {
        println!("no Chromium on the PATH: nothing tested");
        return;
    };
    let begun = Instant::now();
    let broker = Broker::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let mqtt = broker.address();
    let mut options = sim::Options {
        stations: STATIONS,
        // A thousand connections: those of others have 1024 descriptors.
        per_connection: 20,
        interval: INTERVAL,
        duration: Duration::from_secs(600),
        speed: Some(1.0),
        ..sim::Options::default()
    };
    let (mut gateway, page) = gateway(&options, mqtt);
    gateway.start();
    options.connect = gateway.listen.to_string();
    let stop = CancellationToken::new();
    let simulated = tokio::spawn(sim::run(options, stop.clone(), |_| {}));

    let pictures = pictures(&gateway);
    let listen = gateway.listen;
    let shown = pictures.clone();
    let address = page.clone();
    let mut browser = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(listen).unwrap();
        speak(&mut stream);
        browser.prepare(WATCH);
        browser.open(&address);
        browser.until("document.querySelectorAll('#rows tr').length === 50");
        // Until each of them has spoken.
        browser.until("last.overview.stations.never <= 1");
        stays_quick(&mut browser, &address, &shown);
        finds_the_mark(&mut browser, &shown);
        misspeak(&mut stream);
        finds_the_refusal(&mut browser, &shown);
        switches_the_wire_log(&mut browser);
        filters(&mut browser);
        browser
    })
    .await
    .unwrap();

    broker.stop().await;
    let shown = pictures.clone();
    browser = tokio::task::spawn_blocking(move || {
        sees_the_backlog_grow(&mut browser, &shown);
        browser
    })
    .await
    .unwrap();
    let _broker = Broker::start(mqtt).await.unwrap();
    browser = tokio::task::spawn_blocking(move || {
        browser.until("document.querySelector('[data-tile=broker] b').className === 'good'");
        browser.until("last.overview.journal.backlog < 1000 && !document.querySelector('#behind').textContent");
        assert_eq!(browser.complaints(), [""; 0]);
        browser
    })
    .await
    .unwrap();
    stop.cancel();
    let summary = simulated.await.unwrap().unwrap();
    gateway.kill();
    browser = tokio::task::spawn_blocking(move || {
        browser.until("document.querySelector('#lost.shown')?.innerText");
        browser
    })
    .await
    .unwrap();
    gateway.start();
    tokio::task::spawn_blocking(move || {
        browser.until("!document.querySelector('#lost.shown') && last.overview.seconds < 10");
    })
    .await
    .unwrap();
    assert!(summary.counts.sent > u64::from(STATIONS), "{summary}");
    println!("{} frames answered; {:?}", summary.counts.acked, begun.elapsed());
}

/// How many processes wait for each core: a browser beside other work paints that much later.
fn busy() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(1.0);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (load / f64::from(u32::try_from(cores).unwrap_or(1))).max(1.0)
}

/// The page comes at once and is not frozen by what arrives.
fn stays_quick(browser: &mut Browser, address: &str, pictures: &Path) {
    browser.open("about:blank");
    browser.open(address);
    browser.until("document.querySelectorAll('#rows tr').length === 50 && seen.updates >= 6");
    let paint = browser.script("performance.getEntriesByName('first-contentful-paint')[0].startTime").as_f64().unwrap();
    let of = |browser: &mut Browser, what: &str| browser.script(&format!("seen.{what}")).as_f64().unwrap();
    let (rows, task, gap) = (of(browser, "rows"), of(browser, "task"), of(browser, "gap"));
    println!(
        "first paint {paint:.0} ms, first rows {rows:.0} ms, longest task {task:.0} ms (0: below 50), longest time between two pictures {gap:.0} ms"
    );
    let busy = busy();
    assert!(
        paint < FIRST_PAINT_MAX * busy,
        "first paint {paint} ms at {busy} times the work that the machine has cores for"
    );
    assert!(task < TASK_MAX * busy, "a task of {task} ms at {busy} times the work that the machine has cores for");
    for (language, shown) in [("zh", "全部地区"), ("en", "all regions")] {
        if browser.script("zh").as_bool().unwrap() != (language == "zh") {
            browser.click("#language");
        }
        browser.until(&format!("document.querySelector('#region').innerText.includes('{shown}')"));
        for scheme in ["light", "dark"] {
            browser.scheme(scheme);
            browser.picture(&pictures.join(format!("list-{language}-{scheme}.png")));
        }
    }
    browser.click("#language");
    browser.scheme("light");
}

/// Since when a mark holds, and by which rule.
fn finds_the_mark(browser: &mut Browser, pictures: &Path) {
    browser.write("#text", "核对电厂");
    browser.until("document.querySelectorAll('#rows tr').length === 1");
    let row = browser.script("document.querySelector('#rows tr').innerText");
    assert!(row.as_str().unwrap().contains("慢 15 min"), "its clock: {row}");
    browser.click("#rows tr td:nth-child(4)");
    let mark = browser.until("document.querySelector('[data-mark=\"h17:D\"]')?.innerText");
    let mark = mark.as_str().unwrap();
    for part in ["a21026", "h17:flag-D", "flag(\"D\")", "HJ 212-2017", "故障"] {
        assert!(mark.contains(part), "{part}: {mark}");
    }
    let since = browser.script(&format!(
        "fetch('/api/station/{MN}').then(a => a.json()).then(s => s.marks.find(m => m.mark.mark === 'h17:D').mark.since.slice(5, 19).replace('T', ' '))"
    ));
    assert!(mark.contains(since.as_str().unwrap()), "since {since}: {mark}");
    browser.until(&format!("document.querySelector('#one').dataset.ready === '{MN}'"));
    assert!(
        browser.script("document.querySelector('#one').innerText.includes('35.20')").as_bool().unwrap(),
        "as written"
    );
    browser.click("#past details summary");
    let explained = browser.until("document.querySelector('#past details[open]')?.innerText");
    let explained = explained.as_str().unwrap();
    assert!(explained.contains("a21026-Rtd") && explained.contains("35.20") && explained.contains("二氧化硫"));
    assert!(!explained.contains("654321"), "PW is never shown");
    browser.picture(&pictures.join("mark.png"));
    // Completeness is told of days that are over: one that was.
    let shown = browser.script(
        "(() => { const div = document.createElement('div'); \
         div.append(...nowOf({ latest: {}, marks: [], events: [], completeness: [{ kind: 'minute', days: [{ day: '2026-11-22', expected: 144, there: 140 }] }] }).filter(Boolean)); \
         return div.textContent })()",
    );
    assert!(shown.as_str().unwrap().contains("分钟数据2026-11-22144140097.2 %"), "{shown}");
}

/// Why a frame was refused, in words, on the page of its station that stands open.
fn finds_the_refusal(browser: &mut Browser, pictures: &Path) {
    browser.until("document.querySelector('#one').innerText.includes('crc-mismatch')");
    let why = browser.until("document.querySelector('#why')?.innerText");
    assert!(why.as_str().unwrap().contains("CRC") && !why.as_str().unwrap().contains("654321"), "{why}");
    browser.click("#past button");
    let refused = browser.until("document.querySelector('#past details.refused summary')?.innerText");
    assert!(refused.as_str().unwrap().contains("crc-mismatch"), "{refused}");
    let words = browser.script("fetch('/api/rejected').then(a => a.json()).then(l => l[0].explain.zh)");
    assert!(refused.as_str().unwrap().contains(words.as_str().unwrap()), "{words}: {refused}");
    browser.click("#past details.refused summary");
    browser.until("document.querySelector('#past details.refused[open]')?.innerText.includes('CN=2051')");
    browser.picture(&pictures.join("refused.png"));
    browser.click("#one a.back");
    browser.until("!document.querySelector('#list').hidden");
    browser.until("document.querySelector('#refusals').innerText.includes('crc-mismatch')");
}

/// Only with the token.
fn switches_the_wire_log(browser: &mut Browser) {
    browser.click(&format!("#rows tr[data-mn=\"{MN}\"] a"));
    browser.until("document.querySelector('#wireState')?.innerText === '未记录'");
    browser.click("#wire button");
    browser.until("document.querySelector('#wireState').innerText.startsWith('40')");
    browser.write("#wire input", TOKEN);
    browser.click("#wire button");
    browser.until("document.querySelector('#wireState').innerText.startsWith('记录至')");
    browser.click("#wire button + button");
    browser.until("document.querySelector('#wireState').innerText === '未记录'");
    browser.script("location.hash = ''");
    browser.until("!document.querySelector('#list').hidden");
}

/// By text, by region, and only what needs a look.
fn filters(browser: &mut Browser) {
    browser.write("#text", "没有这样的站");
    browser.until("document.querySelectorAll('#rows tr').length === 0");
    browser.write("#text", " ");
    browser.script(
        "document.querySelector('#text').value = ''; document.querySelector('#text').dispatchEvent(new Event('input'))",
    );
    browser.until("document.querySelectorAll('#rows tr').length === 50");
    browser.script("document.querySelector('#region').value = '340200'; document.querySelector('#region').dispatchEvent(new Event('change'))");
    browser.until("last.stations.found === 2500 && [...document.querySelectorAll('#rows tr')].every(r => r.innerText.includes('340200'))");
    browser.click("#after");
    browser.until("document.querySelector('#found').innerText.includes('51')");
    browser.script("document.querySelector('#region').value = ''; document.querySelector('#region').dispatchEvent(new Event('change'))");
    browser.click("[data-only=failing]");
    browser.until(&format!("last.stations.found < 100 && document.querySelector('#rows tr[data-mn=\"{MN}\"]')?.innerText.includes('CRC 校验不符')"));
    browser.click("[data-only=all]");
    browser.until("last.stations.found > 10000");
}

/// The broker is away: how much waits, since when, and how fast it grows.
fn sees_the_backlog_grow(browser: &mut Browser, pictures: &Path) {
    browser.until("document.querySelector('[data-tile=broker] b').className === 'bad'");
    browser.until("/每分钟增加 [1-9]\\d* 条/.test(document.querySelector('[data-tile=backlog]').innerText)");
    browser.until("document.querySelector('[data-tile=backlog]').innerText.includes('自 ')");
    browser.until("document.querySelector('#behind').innerText.includes('不会丢失')");
    browser.picture(&pictures.join("backlog.png"));
}
