//! What honest stations draw, and what is found of stations that are played with: the figures of docs/leads.md.
//!
//! The plants know nothing of the detectors. Honest ones change load, stop and start, have noise, analysers that hold their values, coarse digits,
//! calibrations, faults, maintenance, marks that come a day late, lost lines with a backlog, clocks that drift and are set, hours that are put right.
//! `HJ212_LONG=1` plays 120 station-years, else 12 (`tests/long/run leads`).

use super::*;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// Within 0 and 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    /// Near 0, with a deviation of 1.
    fn noise(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
    fn once_in(&mut self, days: f64, steps_a_day: f64) -> bool {
        self.unit() < 1.0 / (days * steps_a_day)
    }
    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[(self.next() % from.len() as u64) as usize]
    }
}

/// What is done to the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hand {
    None,
    /// A value is held for some hours, every other day.
    Constant,
    /// What would be above the limit is said just below it.
    Capped,
    /// An entry follows every hour above the limit.
    Marks,
    /// The clock is set back for an hour or two when the limit is exceeded, and the time is passed once more.
    ClockBack,
    /// An hour above the limit comes again lower.
    Lowered,
}

struct Factor {
    code: &'static str,
    limit: f64,
    base: f64,
    digits: usize,
    /// The analyser holds its value for so many steps.
    hold: i64,
    sway: f64,
    white: f64,
    drift: f64,
    held: f64,
    sum: f64,
    count: f64,
    above: bool,
    history: Vec<f64>,
}

struct Plant {
    dice: Dice,
    water: bool,
    /// Minutes of a step.
    step: i64,
    factors: Vec<Factor>,
    load: f64,
    aim: f64,
    /// Until which step: a stop, an upset, a calibration, a fault of the instrument, a lost line.
    stop: i64,
    upset: (i64, f64),
    upsets_every: f64,
    lost: i64,
    backlog: Vec<(i64, Vec<String>, bool)>,
    clock: i64,
    back: i64,
    stuck: i64,
    marks_to_come: Vec<(i64, ByHand)>,
    stops_to_come: Vec<(i64, (i64, i64))>,
    entries: usize,
}

const START: &str = "2026-01-01 00:00";

impl Plant {
    fn new(seed: u64) -> Plant {
        let mut dice = Dice(seed.wrapping_mul(0x1234_5677).wrapping_add(99));
        let water = seed % 5 >= 3;
        let step = if water { 60 } else { *dice.pick(&[1, 5, 10, 10]) };
        let kinds: &[(&str, f64, &[usize])] = if water {
            &[("w01018", 50.0, &[0, 1, 2]), ("w21003", 5.0, &[2, 3]), ("w21011", 0.5, &[2, 3])]
        } else {
            &[("a21026", 35.0, &[0, 1, 2]), ("a21002", 50.0, &[0, 1, 2]), ("a34013", 10.0, &[1, 2])]
        };
        let factors = kinds
            .iter()
            .map(|(code, limit, digits)| Factor {
                code,
                limit: *limit,
                base: limit * dice.between(0.15, 0.8),
                digits: *dice.pick(digits),
                hold: if water { *dice.pick(&[1, 1, 2, 4]) } else { *dice.pick(&[1, 1, 1, 2]) },
                sway: 0.0,
                white: dice.between(0.01, 0.05),
                drift: dice.between(0.03, 0.12),
                held: 0.0,
                sum: 0.0,
                count: 0.0,
                above: false,
                history: Vec::new(),
            })
            .collect();
        Plant {
            dice,
            water,
            step,
            factors,
            load: 0.8,
            aim: 0.8,
            stop: 0,
            upset: (0, 1.0),
            upsets_every: 12.0,
            lost: 0,
            backlog: Vec::new(),
            clock: 0,
            back: 0,
            stuck: 0,
            marks_to_come: Vec::new(),
            stops_to_come: Vec::new(),
            entries: 0,
        }
    }

    /// Who marks, sets clocks or lowers values when the limit is exceeded has a plant that exceeds it: upsets every three days.
    fn strain(&mut self, hand: Hand) {
        if matches!(hand, Hand::Marks | Hand::ClockBack | Hand::Lowered) {
            self.upsets_every = 3.0;
            self.factors.iter_mut().for_each(|factor| factor.base = factor.base.max(factor.limit * 0.6));
        }
    }

    fn player(&self) -> Player {
        let of = |factor: &Factor| {
            let hour = limit(factor.code, &factor.limit.to_string(), "hour");
            let day = limit(factor.code, &(factor.limit * 0.8).to_string(), "day");
            if self.water { vec![limit(factor.code, &factor.limit.to_string(), "day")] } else { vec![hour, day] }
        };
        Player::new(&self.factors.iter().flat_map(of).collect::<Vec<_>>())
    }

    /// An entry that comes by the noon of the next day.
    fn enter(&mut self, now: i64, mark: &str, since: i64, until: i64) {
        self.entries += 1;
        let entry = ByHand {
            entry: format!("E{}", self.entries),
            mark: mark.into(),
            since: Timestamp(since),
            until: Some(Timestamp(until)),
            device: mark.starts_with("dev22"),
        };
        self.marks_to_come.push((until.max(now) + HOUR, entry));
    }

    /// What happens to a plant, whoever runs it.
    fn happen(&mut self, number: i64, now: i64) {
        let a_day = 1440.0 / self.step as f64;
        let steps = |hours: f64| (hours * 60.0) as i64;
        let step = self.step;
        if number >= self.stop && self.dice.once_in(45.0, a_day) {
            let hours = self.dice.between(6.0, 72.0);
            self.stop = number + steps(hours) / step;
            // The stop is entered in the next morning; the start takes an hour above the limit, marked as a start.
            let end = now + steps(hours) * MINUTE;
            let noon = calendar::start(calendar::day_of(Timestamp(now))).0 + 36 * HOUR;
            self.stops_to_come.push(((now + 20 * HOUR).min(noon - HOUR), (now, end)));
            self.enter(end, "inc19:start", end - HOUR / 2, end + 2 * HOUR);
            self.upset = (self.stop + 90 / step, 1.6);
        }
        if self.dice.once_in(0.3, a_day) {
            self.aim = self.dice.between(0.5, 1.0);
        }
        if self.dice.once_in(self.upsets_every, a_day) {
            let hours = self.dice.between(1.0, 4.0);
            self.upset = (number + steps(hours) / step, self.dice.between(1.5, 3.0));
            // A fault of the treatment, entered as such, one time in five.
            if self.dice.unit() < 0.2 {
                self.enter(now, "inc19:fault", now, now + steps(hours) * MINUTE);
            }
        }
        if self.dice.once_in(15.0, a_day) {
            self.enter(now, "dev22:maintain", now, now + 2 * HOUR);
        }
        if number >= self.lost && self.dice.once_in(10.0, a_day) {
            let hours = self.dice.between(0.2, 6.0);
            self.lost = number + steps(hours) / step;
        }
        self.clock -= self.step;
        if self.dice.once_in(30.0, a_day) {
            self.clock = 0;
        }
        self.load += (self.aim - self.load) * (self.step as f64 / 60.0).min(1.0);
    }

    /// What the instruments measure.
    fn measure(&mut self, number: i64) -> Vec<f64> {
        let upset = if number < self.upset.0 { self.upset.1 } else { 1.0 };
        let (load, stopped, step) = (self.load, number < self.stop, self.step as f64);
        let dice = &mut self.dice;
        self.factors
            .iter_mut()
            .map(|factor| {
                let slow = (step / 240.0).min(1.0);
                factor.sway = factor.sway * (1.0 - slow) + dice.noise() * factor.drift * (2.0 * slow).sqrt();
                if stopped {
                    // Zero, or the same small rest of the instrument.
                    return if factor.digits == 0 { 0.0 } else { factor.base * 0.02 };
                }
                let fresh = factor.base * load * upset * (1.0 + factor.sway) * (1.0 + dice.noise() * factor.white);
                if number % factor.hold == 0 || factor.held <= 0.0 {
                    factor.held = fresh.max(0.0);
                }
                factor.held
            })
            .collect()
    }

    /// What somebody makes of it.
    fn handle(&mut self, hand: Hand, number: i64, mut values: Vec<f64>) -> Vec<f64> {
        let a_day = 1440 / self.step;
        for factor in &mut self.factors {
            if factor.history.len() as i64 > 3 * a_day {
                factor.history.drain(..a_day as usize);
            }
        }
        match hand {
            Hand::Constant => {
                if number % (2 * a_day) == a_day / 3 && number >= self.stop {
                    self.stuck = number + (self.dice.between(5.0, 12.0) * 60.0) as i64 / self.step;
                }
                if number < self.stuck {
                    for (value, factor) in values.iter_mut().zip(&self.factors) {
                        *value = factor.history.last().copied().unwrap_or(*value);
                    }
                }
            }
            Hand::Capped => {
                for (value, factor) in values.iter_mut().zip(&self.factors) {
                    // The plant runs near its limit: a third of its values would be above.
                    let raised = *value / factor.base * factor.limit * 1.15;
                    *value =
                        if raised > factor.limit { factor.limit * self.dice.between(0.982, 0.999) } else { raised };
                }
            }
            Hand::ClockBack => {
                let above = values.iter().zip(&self.factors).any(|(value, factor)| *value > factor.limit);
                if above && self.back == 0 && number >= self.stop {
                    self.back = number + 90 / self.step.min(90);
                }
                if self.back != 0 && number >= self.back {
                    self.back = 0;
                }
                if self.back != 0 {
                    for (value, factor) in values.iter_mut().zip(&self.factors) {
                        *value = value.min(factor.limit * 0.8);
                    }
                }
            }
            Hand::None | Hand::Marks | Hand::Lowered => {}
        }
        for (value, factor) in values.iter().zip(&mut self.factors) {
            factor.history.push(*value);
        }
        values
    }

    fn texts(&self, values: &[f64]) -> Vec<String> {
        values.iter().zip(&self.factors).map(|(value, factor)| format!("{value:.*}", factor.digits)).collect()
    }

    fn send(&mut self, player: &mut Player, (data, at, elapsed): (i64, i64, i64), texts: &[String], calibrates: bool) {
        let grain = if self.water { LeadGrain::Hour } else { LeadGrain::Minute };
        player.offset += 1;
        if !self.water {
            let seen = RecordSeen {
                pulse: Pulse::Minute,
                data: Timestamp(data),
                at: Timestamp(at),
                elapsed: Timestamp(elapsed),
                set: None,
                offset: player.offset,
            };
            player.leads.record(&player.rules, &seen, &mut player.out);
        }
        for (text, factor) in texts.iter().zip(&self.factors) {
            player.seen(factor.code, grain, Timestamp(data), text, (false, calibrates));
        }
    }

    fn play(&mut self, hand: Hand, days: i64) -> Player {
        let mut player = self.player();
        let begin = at(START).0;
        for number in 0..days * 1440 / self.step {
            let now = begin + number * self.step * MINUTE;
            self.happen(number, now);
            let values = self.measure(number);
            let values = self.handle(hand, number, values);
            let texts = self.texts(&values);
            // A calibration of a quarter of an hour every week, with the flag of the logger and another value.
            let calibrates = !self.water && (now - begin) % (7 * DAY) < 15 * MINUTE && number > 0;
            let texts =
                if calibrates { self.factors.iter().map(|f| format!("{:.1}", f.limit * 4.0)).collect() } else { texts };
            let behind = if self.back == 0 { 0 } else { 2 * HOUR };
            let data = (now + self.clock * MINUTE / 14_400 - behind).div_euclid(MINUTE) * MINUTE;
            // Hours begin with the hour, whatever the clock.
            let data = if self.water { now } else { data };
            let arrival = now + (self.step + 1) * MINUTE;
            if number < self.lost {
                self.backlog.push((data, texts, calibrates));
            } else {
                for (data, texts, calibrates) in std::mem::take(&mut self.backlog) {
                    self.send(&mut player, (data, arrival, arrival), &texts, calibrates);
                }
                self.send(&mut player, (data, arrival, arrival), &texts, calibrates);
            }
            self.hour(hand, (number, now), &mut player, (&values, calibrates));
            self.pass(&mut player, now);
        }
        player.pass(Timestamp(begin + (days + 2) * DAY));
        player
    }

    /// The hour that ends here, of gas, and what follows from it.
    fn hour(&mut self, hand: Hand, (number, now): (i64, i64), player: &mut Player, (values, skip): (&[f64], bool)) {
        for (value, factor) in values.iter().zip(&mut self.factors) {
            if !skip {
                (factor.sum, factor.count) = (factor.sum + value, factor.count + 1.0);
            }
        }
        if (now / MINUTE + self.step) % 60 != 0 {
            return;
        }
        let begin = now + self.step * MINUTE - HOUR;
        let mut follow = false;
        for at in 0..self.factors.len() {
            let factor = &mut self.factors[at];
            let mean = factor.sum / factor.count.max(1.0);
            (factor.sum, factor.count) = (0.0, 0.0);
            let (code, digits, limit) = (factor.code, factor.digits, factor.limit);
            factor.above = mean > limit;
            let above = factor.above;
            if !self.water {
                player.value(code, LeadGrain::Hour, Timestamp(begin), &format!("{mean:.digits$}"));
            }
            // An hour is put right by a few per cent, once in three weeks.
            if self.dice.once_in(20.0, 24.0) {
                let right = mean * self.dice.between(0.95, 1.05);
                player.value(code, LeadGrain::Hour, Timestamp(begin), &format!("{right:.digits$}"));
            }
            if hand == Hand::Lowered && above && number > 0 {
                let lower = limit * self.dice.between(0.5, 0.95);
                player.value(code, LeadGrain::Hour, Timestamp(begin), &format!("{lower:.digits$}"));
            }
            follow |= above;
        }
        if hand == Hand::Marks && follow {
            let mark = *self.dice.pick(&["dev22:maintain", "dev22:fault", "inc19:fault"]);
            self.enter(now, mark, begin + 5 * MINUTE, begin + 70 * MINUTE);
        }
    }

    /// Entries come, time passes.
    fn pass(&mut self, player: &mut Player, now: i64) {
        let come: Vec<ByHand> =
            self.marks_to_come.iter().filter(|(at, _)| *at <= now).map(|(_, mark)| mark.clone()).collect();
        self.marks_to_come.retain(|(at, _)| *at > now);
        player.marks.by_hand.extend(come);
        player.marks.by_hand.retain(|mark| mark.since.0 > now - 45 * DAY);
        let stops: Vec<(i64, i64)> = self.stops_to_come.iter().filter(|(at, _)| *at <= now).map(|(_, s)| *s).collect();
        self.stops_to_come.retain(|(at, _)| *at > now);
        player.marks.out.extend(stops);
        player.pass(Timestamp(now));
    }
}

/// Leads that were raised and not taken back.
fn standing(player: &Player) -> Vec<&Lead> {
    let back: Vec<String> = player
        .out
        .iter()
        .filter(|effect| matches!(effect, LeadEffect::Ended(_, LeadEnd::OutOfService)))
        .map(|effect| of(effect).id())
        .collect();
    player.raised().into_iter().filter(|lead| !back.contains(&lead.id())).collect()
}

fn years() -> u64 {
    if std::env::var_os("HJ212_LONG").is_some() { 120 } else { 12 }
}

#[test]
fn honest_stations_draw_less_than_one_lead_a_year() {
    let (years, mut all, mut taken_back) = (years(), Vec::new(), 0);
    for seed in 0..years {
        let mut plant = Plant::new(seed);
        let player = plant.play(Hand::None, 365);
        let standing = standing(&player);
        taken_back += player.raised().len() - standing.len();
        all.extend(standing.into_iter().map(|lead| (seed, lead.clone())));
    }
    for (seed, lead) in &all {
        println!("station {seed}: {} {}", lead.id(), lead.en);
    }
    for detector in TABLE {
        let count = all.iter().filter(|(_, lead)| lead.detector == detector.id).count();
        println!("{}: {count} in {years} honest station-years", detector.id);
    }
    println!("{} leads stood in {years} honest station-years, {taken_back} were taken back: out of service", all.len());
    assert!((all.len() as u64) < years, "{} leads in {years} station-years", all.len());
}

const HANDS: &[(Hand, &str)] = &[
    (Hand::Constant, "L1"),
    (Hand::Capped, "L3"),
    (Hand::Marks, "L5"),
    (Hand::ClockBack, "L8"),
    (Hand::Lowered, "L12"),
];

/// Stations of one hand over two months: how many draw a lead of its detector.
fn found(hand: Hand, detector: &str, stations: u64) -> (u64, u64) {
    let (mut hit, mut played) = (0, 0);
    for seed in 1000..1000 + stations {
        let mut plant = Plant::new(seed);
        plant.strain(hand);
        if plant.water && hand == Hand::ClockBack {
            continue;
        }
        let player = plant.play(hand, 60);
        let mut clean = Plant::new(seed);
        clean.strain(hand);
        let clean = clean.play(Hand::None, 60);
        // What the plant would have drawn anyway is no hit.
        let hits = |player: &Player| standing(player).iter().filter(|lead| lead.detector == detector).count();
        played += 1;
        hit += u64::from(hits(&player) > hits(&clean));
    }
    (hit, played)
}

#[test]
fn stations_that_are_played_with_are_found() {
    let stations = if std::env::var_os("HJ212_LONG").is_some() { 50 } else { 8 };
    for (hand, detector) in HANDS {
        let (hit, played) = found(*hand, detector, stations);
        println!("{hand:?}: {detector} found {hit} of {played} stations in 60 days");
        assert!(hit * 10 >= played * 7, "{hand:?}: {hit} of {played}");
    }
}

/// The figure of docs/leads.md: what a value of a factor with two limits costs, the least of twenty rounds of 20,000 values of three factors.
#[test]
fn a_value_costs_so_much() {
    let mut plant = Plant::new(0);
    let mut player = plant.player();
    let begin = at(START).0;
    let rows: Vec<(i64, Vec<Option<Decimal>>)> = (0..20 * 6_667)
        .map(|number| {
            let values = plant.measure(number);
            let texts = plant.texts(&values);
            (begin + number * MINUTE, texts.iter().map(|text| Decimal::parse(text)).collect())
        })
        .collect();
    let codes: Vec<&str> = plant.factors.iter().map(|factor| factor.code).collect();
    let mut best = f64::MAX;
    for round in rows.chunks(6_667) {
        let since = std::time::Instant::now();
        for (time, values) in round {
            for (code, measured) in codes.iter().zip(values) {
                let (at, measured) = (Timestamp(*time), *measured);
                let seen = ValueSeen {
                    code,
                    grain: LeadGrain::Minute,
                    at,
                    received: at,
                    measured,
                    converted: measured,
                    out: false,
                    unusable: false,
                    offset: 1,
                };
                player.leads.value(&player.rules, &player.limits, &seen, &mut player.out);
            }
        }
        let values = (round.len() * codes.len()) as f64;
        best = best.min(since.elapsed().as_nanos() as f64 / values);
    }
    println!("{best:.0} ns a value of a factor with two limits");
    assert!(cfg!(debug_assertions) || best < 500.0, "{best}");
}

/// One lead of every kind that the plants draw, for those who look at words.
pub(super) fn every_kind() -> Vec<Lead> {
    let mut all: Vec<Lead> = Vec::new();
    for (hand, detector) in HANDS {
        let leads = (1000..1008).flat_map(|seed| {
            let mut plant = Plant::new(seed);
            plant.strain(*hand);
            let player = plant.play(*hand, 30);
            player.raised().into_iter().cloned().collect::<Vec<Lead>>()
        });
        all.extend(leads.filter(|lead| lead.detector == *detector).take(1));
    }
    assert!(all.len() >= 4, "{}", all.len());
    all
}
