//! The scopes of an API key, as a request names them.

use super::Field;
use crate::scopes::Scope;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type},
    },
};

/// Scopes, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScopeWords(pub(crate) Vec<Scope>);

impl Field for ScopeWords {
    fn must_be() -> Cow<'static, str> {
        let words: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        Cow::Owned(format!("must be a list of at least one of {}, none of them twice", words.join(", ")))
    }
}

impl<'de> Deserialize<'de> for ScopeWords {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom(Self::must_be());
        let words = Vec::<String>::deserialize(json)?;
        if words.is_empty() || words.len() > Scope::ALL.len() {
            return Err(wrong());
        }
        let mut scopes = Vec::with_capacity(words.len());
        for word in words {
            let scope = Scope::from_word(&word).ok_or_else(wrong)?;
            if scopes.contains(&scope) {
                return Err(wrong());
            }
            scopes.push(scope);
        }
        Ok(Self(scopes))
    }
}

impl Serialize for ScopeWords {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        json.collect_seq(self.0.iter().map(|scope| scope.as_str()))
    }
}

impl PartialSchema for ScopeWords {
    fn schema() -> RefOr<Schema> {
        let words = Scope::ALL.iter().map(|scope| scope.as_str());
        let word = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some(words));
        let list = ArrayBuilder::new().items(word).min_items(Some(1)).unique_items(true);
        list.max_items(Some(Scope::ALL.len())).into()
    }
}

impl ToSchema for ScopeWords {}
