//! The figures of a run: a series per figure, one value a round.
//!
//! Guarantee: nothing is averaged away. What is printed is the least, the middle and the most of the rounds; ratios
//! are taken within a round, never between rounds.

use serde::Serialize;

/// What we want a figure to be. Not reaching it fails nothing; it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// The more, the better.
    AtLeast(f64),
    /// The less, the better.
    AtMost(f64),
}

/// One value of one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    section: &'a str,
    name: &'a str,
    unit: &'static str,
    value: f64,
    ratio: Option<f64>,
    goal: Option<Goal>,
}

/// All rounds of one figure.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    /// What was running, and which load.
    pub(crate) section: String,
    /// What was measured.
    pub(crate) name: String,
    /// Of the values; ratios have none.
    pub(crate) unit: &'static str,
    /// One of each round, in order.
    pub(crate) values: Vec<f64>,
    /// The value divided by the yardstick of the same round, where there is one.
    pub(crate) ratios: Vec<f64>,
    /// For the ratio where there is one, else for the value.
    pub(crate) goal: Option<Goal>,
}

/// All figures, in the order in which they first came.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Figures(Vec<Figure>);

/// The least, the middle and the most of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl<'a> Sample<'a> {
    /// A value of the figure `name` of `section`.
    pub(crate) fn new(section: &'a str, name: &'a str, unit: &'static str, value: f64) -> Self {
        Self { section, name, unit, value, ratio: None, goal: None }
    }

    /// Compares it with `yardstick` of the same round.
    pub(crate) fn against(self, yardstick: Option<f64>) -> Self {
        Self { ratio: yardstick.map(|yardstick| self.value / yardstick), ..self }
    }

    /// What we want it to be.
    pub(crate) fn goal(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }
}

impl Figures {
    /// Adds a value to its series.
    pub(crate) fn add(&mut self, sample: Sample<'_>) {
        let Sample { section, name, unit, value, ratio, goal } = sample;
        let known = self.0.iter_mut().find(|figure| figure.section == section && figure.name == name);
        let Some(figure) = known else {
            let (section, name) = (section.to_owned(), name.to_owned());
            let (values, ratios) = (vec![value], ratio.into_iter().collect());
            return self.0.push(Figure { section, name, unit, values, ratios, goal });
        };
        figure.values.push(value);
        figure.ratios.extend(ratio);
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Figure> {
        self.0.iter()
    }
}

impl Spread {
    /// Of `values`; none if there are none.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some(Self { min, median: f64::midpoint(lower, upper), max })
    }
}

impl Goal {
    /// How much of the goal a value is: 1 and more is reached.
    pub(crate) fn share(self, value: f64) -> f64 {
        match self {
            Self::AtLeast(goal) => value / goal,
            Self::AtMost(goal) => goal / value.max(f64::MIN_POSITIVE),
        }
    }
}

/// The value below which `share` of the sorted `values` lie: the nearest rank, no interpolation.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank between 1 and the number of values"
    )]
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_of_rounds_lies_between_two() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Some(Spread { min: 1.0, median: 2.0, max: 3.0 }));
        assert_eq!(Spread::of(&[4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_ratio_is_taken_with_the_yardstick_of_its_own_round() {
        let mut figures = Figures::default();
        for (value, yardstick) in [(20.0, 10.0), (30.0, 10.0)] {
            figures.add(Sample::new("api", "rate", "1/s", value).against(Some(yardstick)));
        }
        let figure = figures.iter().next().unwrap();
        assert_eq!(
            (figure.values.as_slice(), figure.ratios.as_slice()),
            (&[20.0, 30.0][..], &[2.0, 3.0][..])
        );
    }

    #[test]
    fn a_goal_is_reached_from_its_own_side() {
        assert!(Goal::AtLeast(2.0).share(2.1) >= 1.0 && Goal::AtLeast(2.0).share(1.9) < 1.0);
        assert!(Goal::AtMost(50.0).share(49.0) >= 1.0 && Goal::AtMost(50.0).share(51.0) < 1.0);
    }

    #[test]
    fn the_99th_of_a_hundred_is_the_99th() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((quantile(&values, 0.99), quantile(&values, 0.5)), (Some(99.0), Some(50.0)));
        assert_eq!((quantile(&[7.0], 0.99), quantile(&[], 0.5)), (Some(7.0), None));
    }
}
