//! The drills that come with the gateway: the files of `config/drills`.

/// Name and text of each.
pub const BUILT_IN: [(&str, &str); 3] = [
    ("flood", include_str!("../../../config/drills/flood.toml")),
    ("falsifier", include_str!("../../../config/drills/falsifier.toml")),
    ("incinerator", include_str!("../../../config/drills/incinerator.toml")),
];

/// The text of the drill that is called so.
#[must_use]
pub fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(id, _)| *id == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    #[test]
    fn the_drills_that_come_along_are_without_a_mistake() {
        for (name, text) in BUILT_IN {
            let drill = read(name, text).unwrap_or_else(|problems| {
                let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                panic!("{}", all.join("\n"))
            });
            assert_eq!((drill.id.as_str(), built_in(name)), (name, Some(text)));
            let points: u32 = drill.wanted.iter().map(|wanted| wanted.points).sum();
            assert_eq!(points, 100, "{name}");
            assert!(drill.wanted.iter().any(|wanted| wanted.never), "{name}");
        }
    }
}
