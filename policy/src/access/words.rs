//! The words of `actions=`.

use super::malformed::Malformed;
use super::{Action, Grants, signals};

const BUNDLES: [&str; 2] = ["viewer", "operator"];

impl Action {
    /// One action by its word: `restart`, `signal` (any of them), `signal(HUP)`.
    ///
    /// # Errors
    /// What is wrong with the word, and which there are.
    pub fn parse(text: &str) -> Result<Action, Malformed> {
        let word = Word::read(text)?;
        match (word.action()?, word.list) {
            (action, None) => Ok(action),
            (_, Some(list)) => match signal_list(list)?.as_slice() {
                [signo] => Ok(Action::Signal(*signo)),
                _ => Err(Malformed::new(format!(
                    "{text:?} names more than one signal: ask for each"
                ))),
            },
        }
    }
}

impl Grants {
    /// The value of `actions=`: words and bundles with commas between them. An empty value grants nothing.
    ///
    /// # Errors
    /// What is wrong with the first word that means nothing, and what would be right.
    pub fn parse(text: &str) -> Result<Grants, Malformed> {
        let mut grants = Grants::default();
        if text.trim().is_empty() {
            return Ok(grants);
        }
        for element in elements(text)? {
            let word = Word::read(element)?;
            match (word.name, word.list) {
                ("viewer", None) => grants.join(Grants::viewer()),
                ("operator", None) => grants.join(Grants::operator()),
                (_, None) => grants.add(word.action()?),
                (_, Some(list)) => {
                    word.action()?;
                    signal_list(list)?.into_iter().for_each(|n| grants.add(Action::Signal(n)));
                }
            }
        }
        Ok(grants)
    }
}

/// Splits at the commas outside parentheses.
fn elements(text: &str) -> Result<Vec<&str>, Malformed> {
    let mut inside = false;
    let parts = text.split(|c| {
        match c {
            '(' => inside = true,
            ')' => inside = false,
            _ => {}
        }
        c == ',' && !inside
    });
    let parts: Vec<&str> = parts.map(str::trim).collect();
    // A comma at the end is what people leave behind.
    let parts = match parts.as_slice() {
        [all @ .., ""] => all,
        all => all,
    };
    if parts.iter().any(|part| part.is_empty()) {
        return Err(Malformed::new("there is nothing between two commas: remove one"));
    }
    Ok(parts.to_vec())
}

/// `name`, or `name(list)`.
struct Word<'t> {
    text: &'t str,
    name: &'t str,
    list: Option<&'t str>,
}

impl<'t> Word<'t> {
    fn read(text: &'t str) -> Result<Word<'t>, Malformed> {
        let text = text.trim();
        let Some((name, rest)) = text.split_once('(') else {
            return Ok(Word { text, name: text, list: None });
        };
        let list = rest.strip_suffix(')').filter(|list| !list.contains(['(', ')']));
        let name = name.trim_end();
        match list {
            Some(_) if name != "signal" => Err(Malformed::new(format!(
                "{text:?}: only signal has a list in parentheses, such as signal(HUP,USR1)"
            ))),
            Some(list) => Ok(Word { text, name, list: Some(list) }),
            None => Err(Malformed::new(format!(
                "{text:?} has a parenthesis too many or too few: write signal(HUP,USR1)"
            ))),
        }
    }

    fn action(&self) -> Result<Action, Malformed> {
        let found = Action::ALL.into_iter().find(|action| action.word() == self.name);
        found.ok_or_else(|| self.unknown())
    }

    fn unknown(&self) -> Malformed {
        let text = self.text;
        if let Some((name, list)) = text.split_once(':')
            && name == "signal"
        {
            return Malformed::new(format!("{text:?}: signals are named as in signal({list})"));
        }
        let words = || Action::ALL.into_iter().map(Action::word).chain(BUNDLES);
        let lower = text.to_lowercase();
        match words().find(|word| near(&lower, word)) {
            Some(word) => Malformed::new(format!("{text:?} is no action: is {word} meant?")),
            None => {
                let all: Vec<&str> = words().collect();
                let all = all.join(", ");
                Malformed::new(format!(
                    "{text:?} is no action: there are {all}; commas stand between them"
                ))
            }
        }
    }
}

fn signal_list(list: &str) -> Result<Vec<u8>, Malformed> {
    let one = |name: &str| {
        let name = name.trim();
        signals::number(name).ok_or_else(|| {
            Malformed::new(match name {
                "" => "signal() lacks a name: write signal(HUP,USR1), or signal for all".to_owned(),
                name => format!(
                    "{name:?} is no signal: take a name such as HUP, or a number from 1 to 64"
                ),
            })
        })
    };
    list.split(',').map(one).collect()
}

/// Whether a word is another but for its case or one letter.
fn near(text: &str, word: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let word: Vec<char> = word.chars().collect();
    let same = text.iter().zip(&word).take_while(|(a, b)| a == b).count();
    let rest = |all: &[char], skip: usize| all.get(same + skip..).map(<[char]>::to_vec);
    [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().any(|(a, b)| {
        let (left, right) = (rest(&text, a), rest(&word, b));
        left.is_some() && left == right
    })
}
