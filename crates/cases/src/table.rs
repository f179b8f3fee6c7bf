//! Who may do what in which state: the table itself.
//!
//! What must stay true: this table is the whole truth about who moves a case where; [`next`] reads nothing else.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($( #[$about:meta] )* $name:ident { $( $variant:ident = $word:literal, $zh:literal; )* }) => {
        $( #[$about] )*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $( #[doc = $zh] $variant, )* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[ $( $name::$variant, )* ];
            /// As it is written.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $( Self::$variant => $word, )* } }
            /// In Chinese.
            #[must_use]
            pub const fn zh(self) -> &'static str { match self { $( Self::$variant => $zh, )* } }
            /// The one of that name.
            #[must_use]
            pub fn named(name: &str) -> Option<$name> { Self::ALL.iter().copied().find(|one| one.name() == name) }
        }
    };
}

words! {
    /// Who speaks: a level of the topic, so that the broker's access list decides who may speak as whom.
    Role {
        Enterprise = "enterprise", "企业";
        Operator = "operator", "运维单位";
        County = "county", "县区";
        City = "city", "市局";
        Province = "province", "省级";
    }
}

words! {
    /// Where a case stands.
    State {
        Open = "open", "待签收";
        Signed = "signed", "已签收";
        Replied = "replied", "已反馈";
        Done = "done", "整改完成待初核";
        CountyOk = "county-ok", "初核通过待复核";
        CityOk = "city-ok", "复核通过，省级跟踪";
        Closed = "closed", "已销号";
        Void = "void", "误报";
    }
}

words! {
    /// What is done.
    Step {
        Open = "open", "立案登记";
        Sign = "sign", "签收";
        Reply = "reply", "反馈";
        Done = "done", "整改完成";
        Accept = "accept", "通过";
        Return = "return", "退回";
        Extend = "extend", "延期";
        Void = "void", "误报";
        ToLaw = "to-law", "移交立案";
        Close = "close", "销号";
        Comment = "comment", "备注";
    }
}

words! {
    /// How bad it is.
    Colour {
        Blue = "blue", "蓝色";
        Yellow = "yellow", "黄色";
        Orange = "orange", "橙色";
        Red = "red", "红色";
    }
}

use Role::{City, County, Enterprise, Operator, Province};

/// Every move: step, by whom, from where, to where. What is not here is refused. `open` makes a case and stands in [`OPENERS`]; `extend`, `to-law` and
/// `comment` stay where they are.
pub const TABLE: &[(Step, Role, State, State)] = &[
    (Step::Sign, Enterprise, State::Open, State::Signed),
    (Step::Reply, Enterprise, State::Signed, State::Replied),
    (Step::Done, Enterprise, State::Replied, State::Done),
    (Step::Accept, County, State::Done, State::CountyOk),
    (Step::Return, County, State::Done, State::Signed),
    (Step::Accept, City, State::CountyOk, State::CityOk),
    (Step::Return, City, State::CountyOk, State::Signed),
    (Step::Return, City, State::CityOk, State::Signed),
    (Step::Return, Province, State::CityOk, State::Signed),
    // The city closes where the rules let it.
    (Step::Close, City, State::CityOk, State::Closed),
    (Step::Close, Province, State::CityOk, State::Closed),
    (Step::Extend, County, State::Signed, State::Signed),
    (Step::Extend, County, State::Replied, State::Replied),
    (Step::Void, City, State::Open, State::Void),
    (Step::Void, City, State::Signed, State::Void),
    (Step::Void, City, State::Replied, State::Void),
    (Step::Void, City, State::Done, State::Void),
    (Step::Void, City, State::CountyOk, State::Void),
    (Step::Void, Province, State::Open, State::Void),
    (Step::Void, Province, State::Signed, State::Void),
    (Step::Void, Province, State::Replied, State::Void),
    (Step::Void, Province, State::Done, State::Void),
    (Step::Void, Province, State::CountyOk, State::Void),
    (Step::Void, Province, State::CityOk, State::Void),
];

/// Who may open a case by hand.
pub const OPENERS: &[Role] = &[County, City, Province];
/// Who may hand a case over to law enforcement, in any state that is not an end.
pub const TO_LAW: &[Role] = &[County, City, Province];
/// Who may comment, in any state that is not an end.
pub const COMMENT: &[Role] = &[Enterprise, Operator, County, City, Province];

impl State {
    /// Whether nothing leads out of it.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Closed | Self::Void)
    }

    /// Who must act for the case to go on; nobody at an end. After `city-ok` the province, and where the rules let it the city.
    #[must_use]
    pub const fn whose(self) -> Option<Role> {
        match self {
            Self::Open | Self::Signed | Self::Replied => Some(Enterprise),
            Self::Done => Some(County),
            Self::CountyOk => Some(City),
            Self::CityOk => Some(Province),
            Self::Closed | Self::Void => None,
        }
    }
}

impl State {
    /// What must be done for the case to go on, Chinese and English; nothing at an end.
    #[must_use]
    pub const fn act(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Open => Some(("签收", "sign it")),
            Self::Signed => Some(("反馈", "reply")),
            Self::Replied => Some(("完成整改", "put it right")),
            Self::Done => Some(("初核", "look at it")),
            Self::CountyOk => Some(("复核", "look at it again")),
            Self::CityOk => Some(("跟踪销号", "watch and close it")),
            Self::Closed | Self::Void => None,
        }
    }
}

/// Why the table does not allow a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forbidden {
    /// Not to this role, in no state.
    Role,
    /// Not in this state.
    State,
}

/// Where `step` by `role` leads from `state`.
///
/// # Errors
/// [`Forbidden`]
pub fn next(step: Step, role: Role, state: State) -> Result<State, Forbidden> {
    let anywhere = match step {
        Step::ToLaw => Some(TO_LAW),
        Step::Comment => Some(COMMENT),
        Step::Open => return Err(Forbidden::State),
        Step::Sign
        | Step::Reply
        | Step::Done
        | Step::Accept
        | Step::Return
        | Step::Extend
        | Step::Void
        | Step::Close => None,
    };
    if let Some(roles) = anywhere {
        return match (roles.contains(&role), state.is_end()) {
            (false, _) => Err(Forbidden::Role),
            (true, true) => Err(Forbidden::State),
            (true, false) => Ok(state),
        };
    }
    let of_role = || TABLE.iter().filter(|(a, b, ..)| (*a, *b) == (step, role));
    match of_role().find(|(_, _, from, _)| *from == state) {
        Some((.., to)) => Ok(*to),
        None if of_role().next().is_none() => Err(Forbidden::Role),
        None => Err(Forbidden::State),
    }
}
