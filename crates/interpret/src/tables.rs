//! Which table of 2005 a bare code belongs to: three digits are of the water table, two of the gas table, and loggers lose and add zeros.
//!
//! ST alone does not tell: loggers keep the ST of the standard's example (32) at chimneys, number the nozzles of a petrol station
//! 001, 002 … under an ST of their own, and one logger may report water and gas in one record. So the record as a whole decides, once
//! ([`decide`]): what its other codes and fields can only be ([`Evidence`]), the registration, what earlier records of the same MN and ST
//! showed ([`Habits`]), and ST last.
//!
//! What must stay true:
//! * a code that stands in a table as it was said gets the name of that table or none. It is taken for another table's code with its
//!   zeros lost or added only if the record has another code that shows such zeros, or the registration says the other medium and nothing
//!   in the record speaks against it;
//! * chimneys under an ST of water are many (it is the one of the standard's example) and lost zeros of water are rare: two digits are gas
//!   unless something speaks against it. Three digits under an ST of gas, and nothing else, are open: added zeros and numbers of nozzles are
//!   as likely as water;
//! * ST alone never chooses between two tables for a code of one digit;
//! * digits that have no field that a pollutant has are no code, under whatever ST;
//! * the code of an instrument (PolId) is a code of the record like any other: it counts as a companion, and is decided with them;
//! * all codes of a record are decided alike: where its bare codes are read as of another medium than that of ST, and nothing else speaks, a code
//!   or a name that could be of both is neither's;
//! * where it stays open the code stands as it was said, without name and unit;
//! * the same records in the same order give the same decisions; of a station a few numbers are remembered.

use serde::{Deserialize, Serialize};

use super::factor::Medium;

/// So many ST of one MN are remembered.
const HABITS_MAX: usize = 4;

/// What the codes and fields of one record, or of several, can only be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Evidence {
    /// Something of gas: `S01`, `B02`, a converted value (`Zs…`), an `a…` code, a two-digit code without a counterpart in water.
    pub(super) gas: bool,
    /// Something of water: `B01`, a `w…` code, a three-digit code without a counterpart in gas.
    pub(super) water: bool,
    /// A code that stands in no table and would stand in that of water with its zeros (`60`).
    pub(super) zeros_lost: bool,
    /// A code that stands in no table and would stand in that of gas without a zero (`004`), or one of three digits with a converted value.
    pub(super) zeros_added: bool,
    /// A code of one digit.
    pub(super) single: bool,
    /// A code of two digits that stands in the gas table.
    pub(super) two: bool,
    /// A code of three digits that stands in the water table.
    pub(super) three: bool,
    /// A bare code that has a field that no pollutant has.
    pub(super) strange: bool,
    /// A bare code that has no field that a pollutant has.
    pub(super) alien: bool,
    /// A bare code that has a field that a pollutant has.
    pub(super) plain: bool,
}

/// What of a code's item matters for the table of its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fields {
    /// None: the code names an instrument.
    None,
    /// Some that a pollutant has; whether one of them is a converted value (`Zs…`), and whether there are others besides.
    Known { converted: bool, strange: bool },
    /// Only such as no pollutant has.
    Alien,
}

impl Evidence {
    /// Nothing that says anything.
    pub(super) const NOTHING: Evidence = Evidence {
        gas: false,
        water: false,
        zeros_lost: false,
        zeros_added: false,
        single: false,
        two: false,
        three: false,
        strange: false,
        alien: false,
        plain: false,
    };

    /// What it says of the medium, if it says one.
    fn medium(self) -> Medium {
        match (self.gas, self.water) {
            (true, false) => Medium::Air,
            (false, true) => Medium::Water,
            (true, true) | (false, false) => Medium::Unknown,
        }
    }

    fn is_mixed(self) -> bool {
        self.gas && self.water
    }

    /// Both together.
    fn with(self, other: Evidence) -> Evidence {
        Evidence {
            gas: self.gas || other.gas,
            water: self.water || other.water,
            zeros_lost: self.zeros_lost || other.zeros_lost,
            zeros_added: self.zeros_added || other.zeros_added,
            single: self.single || other.single,
            two: self.two || other.two,
            three: self.three || other.three,
            strange: self.strange || other.strange,
            alien: self.alien || other.alien,
            plain: self.plain || other.plain,
        }
    }
}

/// What earlier records of a station showed, by the ST that they said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Habits {
    by_st: Vec<(Vec<u8>, Evidence)>,
}

impl Habits {
    pub(super) fn of(&self, st: Option<&[u8]>) -> Evidence {
        let st = st.unwrap_or_default();
        self.by_st.iter().find(|(known, _)| known == st).map(|(_, evidence)| *evidence).unwrap_or_default()
    }

    /// Adds what a record showed. Beyond [`HABITS_MAX`] different ST nothing more is learned: such a station has no habits.
    pub(super) fn learn(&mut self, st: Option<&[u8]>, evidence: Evidence) {
        let st = st.unwrap_or_default();
        if let Some((_, known)) = self.by_st.iter_mut().find(|(known, _)| known == st) {
            *known = known.with(evidence);
        } else if evidence != Evidence::NOTHING && self.by_st.len() < HABITS_MAX && st.len() <= 8 {
            self.by_st.push((st.to_owned(), evidence));
        }
    }
}

/// How a code is read that stands in one table and could be another's with its zeros lost or added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// As it was said.
    Said,
    /// With its zeros repaired.
    Repaired,
    /// It stays open.
    Open,
}

/// The decision for all bare codes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tables {
    /// Codes of two digits that stand in the gas table, and in that of water with a zero.
    pub(super) two: Choice,
    /// Codes of three digits that stand in the water table, and in that of gas without their zero.
    pub(super) three: Choice,
    /// The table in which codes are repaired that stand in none, and whose letter is put before five digits.
    pub(super) medium: Medium,
    /// The table of a code of one digit that could be of both: ST alone does not say it.
    pub(super) single: Medium,
    /// Whether bare codes are no codes of pollutants at all.
    pub(super) none: bool,
}

/// What is known of the station besides the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// By the registered ST.
    pub(super) registered: Medium,
    /// By the ST of the record.
    pub(super) said: Medium,
    /// Whether one of the two is in the table of ST.
    pub(super) listed: bool,
    /// What earlier records showed.
    pub(super) habit: Evidence,
}

/// Decides for one record.
pub(super) fn decide(record: Evidence, known: Known) -> Tables {
    let Known { registered, said, habit, .. } = known;
    // The medium, and whether something better than ST says it.
    let settled = [record.medium(), registered, habit.medium()].into_iter().find(|it| *it != Medium::Unknown);
    let settled = settled.filter(|_| !record.is_mixed());
    let medium = if record.is_mixed() { Medium::Unknown } else { settled.unwrap_or(said) };
    // Zeros are shown to be lost or added: ST alone may repair then, but not keep.
    let shown = |own: Medium, repaired: Medium| match (settled, said) {
        (Some(it), _) if it == own => Choice::Said,
        (Some(it), _) | (None, it) if it == repaired => Choice::Repaired,
        _ => Choice::Open,
    };
    // A code of one digit shows that something is lost, and not of which table.
    let hinted = |own: Medium, repaired: Medium| match (settled, said) {
        (Some(it), _) if it == repaired => Choice::Repaired,
        (Some(it), _) | (None, it) if it == own => Choice::Said,
        _ => Choice::Open,
    };
    let against = |own: Medium| registered != own && said != own;
    // Nothing but ST speaks, and it says gas.
    let st_says_gas = said == Medium::Air
        && registered != Medium::Water
        && settled != Some(Medium::Water)
        && habit.medium() != Medium::Water
        && !record.is_mixed();
    let two = if record.gas {
        Choice::Said
    } else if record.zeros_lost || (habit.zeros_lost && !habit.gas) {
        shown(Medium::Air, Medium::Water)
    } else if record.single {
        hinted(Medium::Air, Medium::Water)
    } else if registered == Medium::Water && habit.medium() != Medium::Air {
        Choice::Repaired
    } else if record.water && against(Medium::Air) {
        Choice::Open
    } else {
        Choice::Said
    };
    let three = if record.water {
        Choice::Said
    } else if record.zeros_added || (habit.zeros_added && !habit.water) {
        shown(Medium::Water, Medium::Air)
    } else if registered == Medium::Air && habit.medium() != Medium::Water {
        Choice::Repaired
    } else if !record.two && ((record.gas && against(Medium::Water)) || st_says_gas) {
        Choice::Open
    } else {
        Choice::Said
    };
    // Codes that are read as another medium's than that of ST, which alone speaks: nobody knows what the others are.
    let other = (said == Medium::Water && record.two && two == Choice::Said)
        || (said == Medium::Air && record.three && three == Choice::Said);
    let medium = if settled.is_none() && other { Medium::Unknown } else { medium };
    let lost = record.zeros_lost || record.zeros_added || habit.zeros_lost || habit.zeros_added;
    let single = if lost { medium } else { settled.unwrap_or(Medium::Unknown) };
    let strange = record.strange || (habit.strange && !record.gas && !record.water);
    let alien = record.alien && !record.plain && !record.gas && !record.water;
    Tables { two, three, medium, single, none: alien || (strange && !known.listed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Evidence = Evidence::NOTHING;

    fn known(registered: Medium, said: Medium) -> Known {
        Known { registered, said, listed: true, habit: NOTHING }
    }

    #[test]
    fn a_code_as_said_is_left_to_its_table_or_open_whatever_st_says() {
        for said in [Medium::Water, Medium::Air, Medium::Unknown] {
            let of = |record| decide(record, known(Medium::Unknown, said));
            let gas = of(Evidence { gas: true, two: true, ..NOTHING });
            assert_eq!((gas.two, gas.medium), (Choice::Said, Medium::Air));
            assert_eq!(of(Evidence { two: true, ..NOTHING }).two, Choice::Said);
            let water = of(Evidence { water: true, three: true, ..NOTHING });
            assert_eq!((water.three, water.medium), (Choice::Said, Medium::Water));
            let alone = if said == Medium::Air { Choice::Open } else { Choice::Said };
            assert_eq!(of(Evidence { three: true, ..NOTHING }).three, alone);
            let both = of(Evidence { two: true, three: true, ..NOTHING });
            assert_eq!((both.two, both.three), (Choice::Said, Choice::Said), "who writes three digits loses no zeros");
            let single = of(Evidence { single: true, ..NOTHING });
            assert_eq!(single.single, Medium::Unknown, "ST alone does not tell");
            let mixed = of(Evidence { gas: true, water: true, two: true, three: true, ..NOTHING });
            assert_eq!((mixed.two, mixed.three), (Choice::Said, Choice::Said));
        }
    }

    #[test]
    fn zeros_are_repaired_where_the_record_shows_that_they_are_lost() {
        let lost = Evidence { zeros_lost: true, two: true, ..NOTHING };
        let of = |record, said| decide(record, known(Medium::Unknown, said)).two;
        assert_eq!(of(lost, Medium::Water), Choice::Repaired);
        assert_eq!(of(lost, Medium::Unknown), Choice::Open);
        assert_eq!(of(lost, Medium::Air), Choice::Open);
        assert_eq!(of(Evidence { water: true, ..lost }, Medium::Air), Choice::Repaired);
        assert_eq!(of(Evidence { gas: true, ..lost }, Medium::Water), Choice::Said);
        assert_eq!(of(Evidence { water: true, two: true, ..NOTHING }, Medium::Water), Choice::Open);
    }

    #[test]
    fn the_registration_counts_unless_the_record_contradicts() {
        let two = Evidence { two: true, ..NOTHING };
        let of = |record, registered, said| decide(record, known(registered, said));
        assert_eq!(of(two, Medium::Air, Medium::Water).two, Choice::Said);
        assert_eq!(of(two, Medium::Water, Medium::Air).two, Choice::Repaired);
        assert_eq!(of(Evidence { gas: true, ..two }, Medium::Water, Medium::Water).two, Choice::Said);
        let three = Evidence { three: true, ..NOTHING };
        assert_eq!(of(three, Medium::Air, Medium::Air).three, Choice::Repaired);
        assert_eq!(of(Evidence { water: true, ..three }, Medium::Air, Medium::Air).three, Choice::Said);
        let habit = Evidence { gas: true, ..two };
        let known = Known { habit, ..known(Medium::Water, Medium::Water) };
        assert_eq!(decide(two, known).two, Choice::Said, "it was gas before");
    }

    #[test]
    fn habits_are_few_and_by_st() {
        let mut habits = Habits::default();
        let gas = Evidence { gas: true, ..NOTHING };
        habits.learn(Some(b"31"), gas);
        habits.learn(Some(b"32"), Evidence { water: true, ..NOTHING });
        assert_eq!((habits.of(Some(b"31")).medium(), habits.of(Some(b"32")).medium()), (Medium::Air, Medium::Water));
        assert_eq!(habits.of(None), NOTHING);
        for st in 0..100 {
            habits.learn(Some(format!("{st}").as_bytes()), gas);
        }
        assert_eq!(habits.by_st.len(), HABITS_MAX);
    }
}
