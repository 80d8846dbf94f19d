//! The items of a version, and how two lists of them compare.
//!
//! A port of the rules of `GenericVersion` in `maven-resolver-util`; what looks odd here (the
//! padding that is trimmed in the middle, the run of the other kind that is skipped) is so there.

use std::cmp::Ordering;

/// One item of a version. Kinds are declared from low to high.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    /// `min` as the last item.
    Minimum,
    /// A known word, by its place relative to nothing.
    Qualifier(i8),
    /// Another word, in lower case.
    Word(String),
    /// A number of at most [`SMALL_DIGITS_MAX`] digits.
    Small(u32),
    /// A longer number: how many digits, and the digits without leading zeros.
    Large(usize, String),
    /// `max` as the last item.
    Maximum,
}

/// Most digits that always fit the type of [`Item::Small`].
const SMALL_DIGITS_MAX: usize = 9;

impl Item {
    /// Whether it is of the kind of numbers; else it is of the kind of words.
    fn is_number(&self) -> bool {
        !matches!(self, Self::Qualifier(_) | Self::Word(_))
    }

    /// How it compares with nothing at its place.
    fn against_nothing(&self) -> Ordering {
        match self {
            Self::Minimum => Ordering::Less,
            Self::Qualifier(place) => place.cmp(&0),
            Self::Small(number) => number.cmp(&0),
            Self::Word(_) | Self::Large(..) | Self::Maximum => Ordering::Greater,
        }
    }

    fn number(digits: &str) -> Self {
        let digits = digits.trim_start_matches('0');
        if digits.len() > SMALL_DIGITS_MAX {
            return Self::Large(digits.len(), digits.to_owned());
        }
        let value = |number: u32, digit: u8| number * 10 + u32::from(digit - b'0');
        Self::Small(digits.bytes().fold(0, value))
    }

    fn word(word: &str, place: WordPlace) -> Self {
        let word = word.to_lowercase();
        let qualifier = match (word.as_str(), place) {
            ("min", WordPlace::Last) => return Self::Minimum,
            ("max", WordPlace::Last) => return Self::Maximum,
            ("alpha", _) | ("a", WordPlace::BeforeDigit) => -5,
            ("beta", _) | ("b", WordPlace::BeforeDigit) => -4,
            ("milestone", _) | ("m", WordPlace::BeforeDigit) => -3,
            ("rc" | "cr", _) => -2,
            ("snapshot", _) => -1,
            ("ga" | "final" | "release", _) => 0,
            ("sp", _) => 1,
            _ => return Self::Word(word),
        };
        Self::Qualifier(qualifier)
    }
}

/// Where a word stands, as far as its meaning depends on it.
#[derive(Clone, Copy)]
enum WordPlace {
    Last,
    BeforeDigit,
    Elsewhere,
}

/// Takes a version apart, without the padding that means nothing.
pub(super) fn items(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = if text.is_empty() { "0" } else { text };
    while !rest.is_empty() {
        let (item, after) = next_item(rest);
        items.push(item);
        rest = after;
    }
    trim_padding(&mut items);
    items
}

/// Splits off the first item, and the separator after it if there is one.
fn next_item(text: &str) -> (Item, &str) {
    let is_separator = |character: char| matches!(character, '.' | '-' | '_');
    let numeric = text.starts_with(|first: char| first.is_ascii_digit());
    let ends = |character: char| is_separator(character) || character.is_ascii_digit() != numeric;
    let (token, after) = text.split_at(text.find(ends).unwrap_or(text.len()));
    let rest = after.strip_prefix(is_separator).unwrap_or(after);
    let item = if token.is_empty() || numeric {
        Item::number(token)
    } else if rest.is_empty() {
        Item::word(token, WordPlace::Last)
    } else if after.starts_with(|next: char| next.is_ascii_digit()) {
        Item::word(token, WordPlace::BeforeDigit)
    } else {
        Item::word(token, WordPlace::Elsewhere)
    };
    (item, rest)
}

/// Removes items that equal nothing from the end of each run of one kind.
///
/// The last run loses them in any case, one before it only if an item of its own kind remains in
/// front; the first item always stays.
fn trim_padding(items: &mut Vec<Item>) {
    let mut kind = None;
    let mut end = items.len().saturating_sub(1);
    for index in (1..items.len()).rev() {
        let is_number = items[index].is_number();
        if kind != Some(is_number) {
            end = index;
            kind = Some(is_number);
        }
        let removable = index + 1 == items.len() || items[index - 1].is_number() == is_number;
        if end == index && removable && items[index].against_nothing() == Ordering::Equal {
            items.remove(index);
            end -= 1;
        }
    }
}

/// Compares two versions by their items.
pub(super) fn compare(left: &[Item], right: &[Item]) -> Ordering {
    let mut previous_is_number = true;
    for index in 0.. {
        let (ours, theirs) = match (left.get(index), right.get(index)) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return rest_against_nothing(right, index, None).reverse(),
            (Some(_), None) => return rest_against_nothing(left, index, None),
            (Some(ours), Some(theirs)) => (ours, theirs),
        };
        if ours.is_number() != theirs.is_number() {
            let kind = Some(previous_is_number);
            return match index {
                0 => ours.cmp(theirs),
                _ if ours.is_number() == previous_is_number => {
                    rest_against_nothing(left, index, kind)
                }
                _ => rest_against_nothing(right, index, kind).reverse(),
            };
        }
        let order = ours.cmp(theirs);
        if order != Ordering::Equal {
            return order;
        }
        previous_is_number = ours.is_number();
    }
    Ordering::Equal
}

/// How the items from `start` on compare with nothing; those of another kind are skipped if the
/// kind matters.
fn rest_against_nothing(items: &[Item], start: usize, is_number: Option<bool>) -> Ordering {
    items
        .iter()
        .skip(start)
        .filter(|item| is_number.is_none_or(|is_number| item.is_number() == is_number))
        .map(Item::against_nothing)
        .find(|order| *order != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}
