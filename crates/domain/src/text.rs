//! The spelling of text that people write: `é` can be one character or two, depending on the keyboard.
//!
//! Text is kept as NFC and compared as NFKC with full case folding (Unicode Standard Annex 15, Unicode Standard §5.18).
//! Both are frozen by Unicode's stability policy for characters that exist, so a stored key stays right.

use icu_casemap::{CaseMapper, CaseMapperBorrowed};
use icu_normalizer::{ComposingNormalizer, ComposingNormalizerBorrowed};
use std::{borrow::Cow, ops::RangeInclusive};

const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizer::new_nfc();
const NFKC: ComposingNormalizerBorrowed<'static> = ComposingNormalizer::new_nfkc();
const CASES: CaseMapperBorrowed<'static> = CaseMapper::new();

/// The spelling in which text is kept; borrowed if it is spelled so already.
#[must_use]
pub fn nfc(text: &str) -> Cow<'_, str> {
    NFC.normalize(text)
}

/// Equal for texts that differ only in spelling, width, ligatures or case: `ﬁn`, `FIN` and `fin`; `straße` and `STRASSE`.
#[must_use]
pub fn comparison_key(text: &str) -> String {
    let compatible = NFKC.normalize(text);
    let folded = CASES.fold_string(&compatible);
    // Folding can take a composed character apart.
    NFKC.normalize(&folded).into_owned()
}

/// Longest word of a search, in characters; what is longer is cut, in what is searched as in what is searched for.
const WORD_CHARS_MAX: usize = 100;

/// Scripts that are written without blanks between words: Thai, Lao, Burmese, Khmer, kana and Han.
const WITHOUT_BLANKS: [RangeInclusive<char>; 8] = [
    '\u{e00}'..='\u{eff}',
    '\u{1000}'..='\u{109f}',
    '\u{1780}'..='\u{17ff}',
    '\u{3040}'..='\u{30ff}',
    '\u{31f0}'..='\u{31ff}',
    '\u{3400}'..='\u{9fff}',
    '\u{f900}'..='\u{faff}',
    '\u{20000}'..='\u{323af}',
];

/// The words of a text's key, for a search of names: what stands between blanks and punctuation. Of a script without blanks
/// each letter is a word.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut words = vec![];
    for piece in comparison_key(text).split(|c: char| !c.is_alphanumeric()) {
        let mut word = String::new();
        for c in piece.chars() {
            if WITHOUT_BLANKS.iter().any(|script| script.contains(&c)) {
                words.extend([std::mem::take(&mut word), c.to_string()]);
            } else if word.chars().count() < WORD_CHARS_MAX {
                word.push(c);
            }
        }
        words.push(word);
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_letter_has_one_spelling() {
        assert_eq!(nfc("zoe\u{308}"), "zo\u{eb}");
        assert!(matches!(nfc("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn texts_that_readers_take_for_one_have_one_key() {
        for (one, other) in [
            ("S\u{e3}o Paulo", "Sa\u{303}o PAULO"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{fb01}n", "FIN"),
            ("\u{ff22}erlin", "berlin"),
            ("\u{39f}\u{394}\u{39f}\u{3a3}", "\u{3bf}\u{3b4}\u{3bf}\u{3c2}"),
        ] {
            assert_eq!(comparison_key(one), comparison_key(other), "{one} {other}");
        }
        assert_ne!(comparison_key("Sao Paulo"), comparison_key("S\u{e3}o Paulo"));
    }

    #[test]
    fn words_stand_between_blanks_and_punctuation_or_alone() {
        assert_eq!(
            words("  Die Zauberfl\u{f6}te \u{2013} \u{fb01}n,(2)"),
            ["die", "zauberfl\u{f6}te", "fin", "2"]
        );
        assert_eq!(words("J\u{2019}ai\u{6771}\u{4eac}2031"), ["j", "ai", "\u{6771}", "\u{4eac}", "2031"]);
        assert_eq!(words("- \u{1f3ad} !"), Vec::<String>::new());
        assert_eq!(words(&"x".repeat(200)), ["x".repeat(WORD_CHARS_MAX)]);
    }

    proptest! {
        /// Otherwise an update would move a name away from its own key.
        #[test]
        fn a_key_is_its_own_key_and_spelling_does_not_change_it(text in "\\PC{0,24}") {
            let key = comparison_key(&text);
            prop_assert_eq!(comparison_key(&key), key.clone());
            prop_assert_eq!(comparison_key(&nfc(&text)), key);
        }
    }
}
