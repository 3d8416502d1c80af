//! The spelling of text that people write: `é` can be one character or two, depending on the keyboard.
//!
//! Text is kept as NFC and compared as NFKC with full case folding (Unicode Standard Annex 15, Unicode Standard §5.18).
//! Both are frozen by Unicode's stability policy for characters that exist, so a stored key stays right.

use icu_casemap::{CaseMapper, CaseMapperBorrowed};
use icu_normalizer::{ComposingNormalizer, ComposingNormalizerBorrowed};
use std::borrow::Cow;

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
