//! Sizes, spans of time and shares, as people write them in a config file.

mod bytes;
mod share;
mod span;

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Visitor};

pub use bytes::Bytes;
pub use share::{Amount, Percent, Threshold};
pub use span::{Span, Wait};

/// A text that is not the quantity that a key takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found `{found}`")]
pub struct ParseQuantityError {
    expected: &'static str,
    found: String,
}

/// A value that is written as a text or as a plain number.
pub(super) trait Quantity: FromStr<Err = ParseQuantityError> {
    /// What is expected, for messages: "a size such as ...".
    const EXPECTED: &'static str;

    /// The error that names what was found instead.
    fn refuse(found: &str) -> ParseQuantityError {
        ParseQuantityError {
            expected: Self::EXPECTED,
            found: found.to_owned(),
        }
    }
}

/// Reads a [`Quantity`] of type `Q`.
pub(super) struct TextOrNumber<Q>(pub(super) PhantomData<Q>);

impl<Q: Quantity> Visitor<'_> for TextOrNumber<Q> {
    type Value = Q;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(Q::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Q, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Q, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Q, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Q, E> {
        self.visit_str(&number.to_string())
    }
}

/// Implements serde and the schema for a type that has `FromStr` and `Display`.
macro_rules! quantity {
    ($type:ident, $title:literal, $expected:literal) => {
        impl Quantity for $type {
            const EXPECTED: &'static str = $expected;
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($crate::model::quantity::TextOrNumber(
                    std::marker::PhantomData,
                ))
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "title": $title, "type": ["string", "number"] })
            }
        }
    };
}
pub(super) use quantity;
