//! A body or a query that was not understood, and whom it would have acted for.

use crate::{
    auth::Principal,
    form::FormError,
    problem::{Code, Problem},
};
use axum::response::{IntoResponse, Response};
use holdfast_domain::UserId;

/// The form was not understood.
#[derive(Debug)]
pub(crate) struct FormRefused {
    pub(crate) problem: Problem,
    /// The user the request acts for, if it names one.
    pub(crate) acts_for: Option<UserId>,
}

impl FormRefused {
    /// What to tell `caller`: that it may not act for the user it names comes before the rest.
    pub(crate) fn for_caller(self, caller: &Principal) -> Problem {
        match self.acts_for {
            Some(user) if !caller.may_act_for(user) => Problem::forbidden_for_another(),
            _ => self.problem,
        }
    }
}

impl From<Problem> for FormRefused {
    fn from(problem: Problem) -> Self {
        Self { problem, acts_for: None }
    }
}

impl From<FormError> for FormRefused {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Malformed(detail) => Problem::new(Code::MalformedJson, detail).into(),
            FormError::Invalid { errors, acts_for } => Self { problem: Problem::invalid(errors), acts_for },
        }
    }
}

impl IntoResponse for FormRefused {
    fn into_response(self) -> Response {
        self.problem.into_response()
    }
}
