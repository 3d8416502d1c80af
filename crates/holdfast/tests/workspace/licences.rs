//! Every dependency's licence is one that an Apache-2.0 program may contain.

use std::collections::BTreeSet;

use super::metadata;

/// Licences that ask for no more than their own text and notice.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    // Data, not code: the list of certificate authorities.
    "CDLA-Permissive-2.0",
];

#[test]
fn every_dependency_may_be_shipped_with_an_apache_licence() {
    let metadata = metadata();
    assert!(metadata.packages.len() > 100, "the dependencies were found");
    let refused: BTreeSet<String> = metadata
        .packages
        .iter()
        .filter(|package| !package.license.as_deref().is_some_and(is_allowed))
        .map(|package| format!("{}: {:?}", package.id, package.license))
        .collect();
    assert!(refused.is_empty(), "licences to look at, and to add to ALLOWED or to avoid: {refused:#?}");
}

/// Whether a licence expression (SPDX; `/` is an old way to write OR) can be met with allowed licences alone.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().collect::<Vec<_>>();
    words.reverse();
    any_of(&mut words) && words.is_empty()
}

/// `A OR B`; the words lie in reverse, so the next one is the last.
fn any_of(words: &mut Vec<&str>) -> bool {
    let mut met = all_of(words);
    while take(words, "OR") {
        met |= all_of(words);
    }
    met
}

/// `A AND B`, which binds closer.
fn all_of(words: &mut Vec<&str>) -> bool {
    let mut met = one(words);
    while take(words, "AND") {
        met &= one(words);
    }
    met
}

/// A licence, a licence WITH an exception, or an expression in parentheses.
fn one(words: &mut Vec<&str>) -> bool {
    if take(words, "(") {
        let met = any_of(words);
        return take(words, ")") && met;
    }
    let mut name = words.pop().unwrap_or_default().to_owned();
    if take(words, "WITH") {
        name = format!("{name} WITH {}", words.pop().unwrap_or_default());
    }
    ALLOWED.contains(&name.as_str())
}

fn take(words: &mut Vec<&str>, word: &str) -> bool {
    let is_next = words.last() == Some(&word);
    if is_next {
        words.pop();
    }
    is_next
}

#[test]
fn a_choice_is_met_by_one_and_a_conjunction_by_all() {
    for met in ["MIT", "MIT OR GPL-3.0-only", "GPL-2.0/MIT", "(MIT OR GPL-3.0-only) AND ISC", "MIT AND (ISC)"]
    {
        assert!(is_allowed(met), "{met}");
    }
    let refused =
        ["GPL-3.0-only", "MIT AND GPL-3.0-only", "MIT AND (", "", "MIT WITH GPL-exception", "ISC AND (MIT"];
    for refused in refused {
        assert!(!is_allowed(refused), "{refused}");
    }
}
