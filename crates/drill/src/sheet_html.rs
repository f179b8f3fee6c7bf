//! The sheet for the printer: one page without scripts, A4, with lines for what the trainer marks by hand.

use super::sheet::{ScoreSheet, SheetMark, SheetRow};

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"zh-CN\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n";

const STYLE: &str = "<style>
@page { size: A4; margin: 15mm }
body { font: 10.5pt/1.5 \"Noto Sans CJK SC\", \"Microsoft YaHei\", sans-serif; max-width: 190mm; margin: 0 auto; padding: 1em; color: #111; background: #fff }
h1 { font-size: 16pt; margin: 0 } h2 { font-size: 12pt; margin: 1.2em 0 .3em }
table { border-collapse: collapse; width: 100% } th, td { border: 1px solid #777; padding: .25em .5em; text-align: left; vertical-align: top }
tr { break-inside: avoid } th { background: #eee } [lang=en], small { color: #444 } .good { color: #0a5c1f } .bad { color: #a00000; font-weight: bold }
.number { text-align: right; white-space: nowrap }
</style>\n";

impl ScoreSheet {
    /// The whole page.
    #[must_use]
    pub fn html(&self) -> String {
        let mut text = format!("{HEAD}<title>{} 评分表</title>\n{STYLE}", escaped(&self.title.zh));
        text.push_str(&format!(
            "<h1>{} <span lang=\"en\">{}</span></h1>\n<p>{}<br><span lang=\"en\">{}</span></p>\n",
            escaped(&self.title.zh),
            escaped(&self.title.en),
            escaped(self.story.zh.trim()),
            escaped(self.story.en.trim())
        ));
        text.push_str(&format!(
            "<p>学员 Trainee ______________ 教员 Trainer ______________ 日期 Date ______________</p>\n\
             <p><small>数据起始 data from {} · 倍速 speed {} · 消息 messages {} · 第 N 天 = day N</small></p>\n",
            escaped(&self.data_from),
            self.speed,
            self.messages
        ));
        text.push_str("<h2>发生了什么 <span lang=\"en\">What happened</span></h2>\n<table>\n<tr><th>时间 Time<th>站点 Station<th>事件 Event\n");
        for event in &self.events {
            text.push_str(&format!(
                "<tr><td>{} –<br>{}<td>{}<td>{}<br><span lang=\"en\">{}</span>\n",
                escaped(&event.from),
                escaped(&event.until),
                escaped(&event.station),
                escaped(&event.name.zh),
                escaped(&event.name.en)
            ));
        }
        text.push_str(
            "</table>\n<h2>应发现什么 <span lang=\"en\">What was to be found</span></h2>\n<table>\n\
             <tr><th>内容 What<th>发生 Happens<th>发现 Found<th>结果 Result<th>分 Points\n",
        );
        self.rows.iter().for_each(|row| text.push_str(&line(row)));
        let (zh, en) = self.verdict();
        text.push_str(&format!("</table>\n<h2>得分 Points: {} / {}</h2>\n", self.points, self.points_of));
        if self.points_by_hand > 0 {
            text.push_str(&format!("<p>教员评分 marked by the trainer: ______ / {}</p>\n", self.points_by_hand));
        }
        text.push_str(&format!("<p>{} <span lang=\"en\">{}</span></p>\n</html>\n", escaped(&zh), escaped(&en)));
        text
    }
}

fn line(row: &SheetRow) -> String {
    let (zh, en) = row.mark.words();
    let class = match row.mark {
        SheetMark::Found | SheetMark::StayedAway => "good",
        SheetMark::Missed | SheetMark::Appeared => "bad",
        SheetMark::ByHand => "hand",
    };
    let found = match (&row.about, &row.heard, &row.mn, &row.topic) {
        (Some(about), Some(heard), Some(mn), Some(topic)) => {
            let said = row.said.as_ref().map_or_else(String::new, |said| format!("<br>{}", escaped(said)));
            let (about, heard, mn, topic) = (escaped(about), escaped(heard), escaped(mn), escaped(topic));
            format!("数据时间 of {about}<br>收到 heard {heard}<br><small>{mn}/{topic}</small>{said}")
        }
        _ => "–".to_owned(),
    };
    let points = if row.mark == SheetMark::ByHand { "____".to_owned() } else { row.points.to_string() };
    format!(
        "<tr><td>{}<br><span lang=\"en\">{}</span><td>{} –<br>{}<td>{found}<td class=\"{class}\">{zh}<br>{en}<td class=\"number\">{points} / {}\n",
        escaped(&row.name.zh),
        escaped(&row.name.en),
        escaped(&row.happened),
        escaped(&row.until),
        row.points_of
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
