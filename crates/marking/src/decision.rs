//! Who rules, and what.

use serde::{Deserialize, Serialize};

/// Who rules, the lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// 县(区)
    County,
    /// 市
    City,
    /// 省
    Province,
}

impl Role {
    /// All roles, the lowest first.
    pub const ALL: [Role; 3] = [Role::County, Role::City, Role::Province];

    /// As a level of the topic.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::County => "county",
            Self::City => "city",
            Self::Province => "province",
        }
    }

    /// In Chinese.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::County => "县(区)级",
            Self::City => "市级",
            Self::Province => "省级",
        }
    }

    pub(super) fn named(name: &str) -> Option<Role> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// What is ruled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It stands as entered.
    Accept,
    /// It is left to people.
    Doubt,
    /// It never had effect.
    Annul,
    /// It stands within a time.
    Limit,
    /// The ruling before is taken back.
    Restore,
}

impl Decision {
    /// As written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Doubt => "doubt",
            Self::Annul => "annul",
            Self::Limit => "limit",
            Self::Restore => "restore",
        }
    }

    /// The decision of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Decision> {
        let all = [Self::Accept, Self::Doubt, Self::Annul, Self::Limit, Self::Restore];
        all.into_iter().find(|decision| decision.name() == name)
    }

    /// In Chinese.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Accept => "认可",
            Self::Doubt => "存疑",
            Self::Annul => "撤销",
            Self::Limit => "限定时段",
            Self::Restore => "恢复原标记",
        }
    }
}
