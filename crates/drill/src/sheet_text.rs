//! The sheet for a terminal.

use std::fmt;

use super::sheet::{ScoreSheet, SheetMark, SheetRow};

impl fmt::Display for ScoreSheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "实战演练评分表 SCORING SHEET")?;
        writeln!(f, "{}  {}", self.title.zh, self.title.en)?;
        writeln!(
            f,
            "数据起始 data from {}；倍速 speed {}；消息 messages {}；第 N 天 = day N\n",
            self.data_from, self.speed, self.messages
        )?;
        writeln!(f, "发生了什么 What happened")?;
        for event in &self.events {
            writeln!(f, "  {} – {}  {}  {}  {}", event.from, event.until, event.station, event.name.zh, event.name.en)?;
        }
        writeln!(f, "\n应发现什么 What was to be found")?;
        for row in &self.rows {
            line(f, row)?;
        }
        writeln!(f, "\n得分 points {} / {}", self.points, self.points_of)?;
        if self.points_by_hand > 0 {
            writeln!(f, "另由教员评分 marked by the trainer besides: __ / {}", self.points_by_hand)?;
        }
        let (zh, en) = self.verdict();
        writeln!(f, "{zh}  {en}")
    }
}

fn line(f: &mut fmt::Formatter<'_>, row: &SheetRow) -> fmt::Result {
    let sign = match row.mark {
        SheetMark::Found | SheetMark::StayedAway => "✓",
        SheetMark::Missed | SheetMark::Appeared => "✗",
        SheetMark::ByHand => "□",
    };
    let (zh, en) = row.mark.words();
    writeln!(f, "{sign} {}  {}", row.name.zh, row.name.en)?;
    let points = if row.mark == SheetMark::ByHand {
        format!("__/{}", row.points_of)
    } else {
        format!("{}/{}", row.points, row.points_of)
    };
    writeln!(f, "    {zh} {en}  {points}")?;
    writeln!(f, "    发生 happens {} – {}", row.happened, row.until)?;
    if let (Some(about), Some(heard), Some(topic)) = (&row.about, &row.heard, &row.topic) {
        let mn = row.mn.as_deref().unwrap_or_default();
        writeln!(f, "    发现 found: 数据时间 of {about}，收到 heard {heard}，{mn}/{topic}")?;
    }
    if let Some(said) = &row.said {
        writeln!(f, "    {said}")?;
    }
    Ok(())
}

impl ScoreSheet {
    /// The last line, in both languages.
    pub(crate) fn verdict(&self) -> (String, String) {
        let count = |mark: SheetMark| self.rows.iter().filter(|row| row.mark == mark).count();
        let (missed, appeared) = (count(SheetMark::Missed), count(SheetMark::Appeared));
        if self.all_found {
            return ("全部发现，无误报。".into(), "All was found, and nothing that must not appear.".into());
        }
        (
            format!("未发现 {missed} 项，误报 {appeared} 项。"),
            format!("{missed} missed, {appeared} that must not appear."),
        )
    }
}
