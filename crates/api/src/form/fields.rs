//! Looks at an object field by field and names all that is wrong.

use super::{Field, Form};
use crate::problem::FieldError;
use serde_json::{Map, Value};

/// Wrong fields that one answer names: a body of 64 KiB could hold thousands.
const ERRORS_MAX: usize = 32;
/// Characters of a field's name that are repeated in an answer.
const NAME_CHARS_MAX: usize = 64;

/// The fields of one object, while they are being checked.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    pointer: &'a str,
    known: Vec<&'static str>,
    errors: &'a mut Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Checks `object`, which stands at `pointer`, as a form of type `T`.
    pub(crate) fn check<T: Form>(
        object: &'a Map<String, Value>,
        pointer: &'a str,
        errors: &'a mut Vec<FieldError>,
    ) {
        let mut fields = Fields { object, pointer, known: Vec::new(), errors };
        T::fields(&mut fields);
        let unknown = object.keys().filter(|name| !fields.known.contains(&name.as_str()));
        for name in unknown.cloned().collect::<Vec<_>>() {
            fields.wrong(&name, "is not a field of this request".to_owned());
        }
    }

    /// A field that must be there.
    pub(crate) fn required<F: Field>(&mut self, name: &'static str) {
        self.known.push(name);
        match self.object.get(name) {
            None => self.wrong(name, format!("is missing; {}", F::must_be())),
            Some(value) => self.value::<F>(name, value),
        }
    }

    /// A field that may be missing or null.
    pub(crate) fn optional<F: Field>(&mut self, name: &'static str) {
        self.known.push(name);
        match self.object.get(name) {
            None | Some(Value::Null) => {}
            Some(value) => self.value::<F>(name, value),
        }
    }

    /// A field of a change: what is missing stays as it is, so null would say nothing.
    pub(crate) fn change<F: Field>(&mut self, name: &'static str) {
        self.known.push(name);
        if let Some(value) = self.object.get(name) {
            self.value::<F>(name, value);
        }
    }

    /// An object that must be there.
    pub(crate) fn required_form<T: Form>(&mut self, name: &'static str) {
        self.known.push(name);
        match self.object.get(name) {
            None => self.wrong(name, "is missing; must be an object".to_owned()),
            Some(value) => self.form::<T>(name, value),
        }
    }

    /// An object that may be missing; not null, because its struct has defaults of its own.
    pub(crate) fn optional_form<T: Form>(&mut self, name: &'static str) {
        self.known.push(name);
        if let Some(value) = self.object.get(name) {
            self.form::<T>(name, value);
        }
    }

    fn value<F: Field>(&mut self, name: &str, value: &Value) {
        if F::deserialize(value).is_err() {
            self.wrong(name, F::must_be().into_owned());
        }
    }

    fn form<T: Form>(&mut self, name: &str, value: &Value) {
        let Value::Object(object) = value else { return self.wrong(name, "must be an object".to_owned()) };
        let pointer = self.pointer_to(name);
        Fields::check::<T>(object, &pointer, self.errors);
    }

    fn wrong(&mut self, name: &str, detail: String) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(FieldError { pointer: self.pointer_to(name), detail });
        }
    }

    fn pointer_to(&self, name: &str) -> String {
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        format!("{}/{}", self.pointer, name.replace('~', "~0").replace('/', "~1"))
    }
}
