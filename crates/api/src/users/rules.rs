//! Which passwords an account may have.
//!
//! A customer's has at least 8 characters, an agent's and an admin's 12, and none is among those that are guessed first.
//! Accounts of Airbourne's sign-up keep that contract (4 to 50 characters); they become no staff before their
//! password is changed.

use super::{Role, UserError};
use std::ops::RangeInclusive;
use zxcvbn::{Score, zxcvbn};

/// Characters of a password: long enough that guessing is hopeless, short enough that hashing is not.
pub(crate) const PASSWORD_CHARS: RangeInclusive<usize> = 8..=128;
/// Fewest characters of an agent's or admin's.
const STAFF_CHARS_MIN: usize = 12;
/// Characters that are compared with what is guessed first: bounds the time. Nothing that is guessed first is longer.
const COMPARED_CHARS_MAX: usize = 40;

/// Characters that stand for a letter, one text a letter. `zxcvbn` tries every choice of them: its time grows with their product.
const SUBSTITUTES: [&str; 12] = ["4@", "8", "({[<", "3", "69", "1!|", "1|7", "0", "$5", "+7", "%", "2"];
/// Most choices that are tried, which bounds the time; the passwords that are guessed first have one to four.
const CHOICES_MAX: usize = 16;

/// Whether `password` falls within the first million guesses: words of the lists of leaked passwords and of languages,
/// names, keyboard rows, dates, repetitions, and what is made of these by the usual replacements.
pub(crate) fn is_common(password: &str) -> bool {
    let compared: String = password.chars().take(COMPARED_CHARS_MAX).collect();
    choices(&compared) <= CHOICES_MAX && zxcvbn(&compared, &[]).score() < Score::Two
}

/// In how many ways the substitutes of a password can be read as letters.
fn choices(password: &str) -> usize {
    let used = |letter: &str| letter.chars().filter(|c| password.contains(*c)).count().max(1);
    SUBSTITUTES.iter().map(|letter| used(letter)).product()
}

/// Whether an agent or admin may have this password.
pub(crate) fn fits_staff(password: &str) -> bool {
    password.chars().count() >= STAFF_CHARS_MIN && !is_common(password)
}

/// Whether an account of `role` may be given this password.
pub(super) fn check(password: &str, role: Role) -> Result<(), UserError> {
    if !PASSWORD_CHARS.contains(&password.chars().count()) {
        return Err(UserError::Password);
    }
    if is_common(password) {
        return Err(UserError::CommonPassword);
    }
    if role != Role::Customer && !fits_staff(password) {
        return Err(UserError::StaffPassword);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without the bound, one sign-up kept a core busy for a long time.
    #[test]
    fn a_password_of_many_substitutes_is_not_compared() {
        assert!(choices("4@8({[<3691!|70$5+%2") > CHOICES_MAX);
        assert!(!is_common("4@8({[<3691!|70$5+%2"));
        for common in ["P@ssw0rd!", "passw0rd1"] {
            assert!(choices(common) <= CHOICES_MAX, "{common}");
        }
    }

    #[test]
    fn what_is_guessed_first_is_common_and_what_a_generator_makes_is_not() {
        for common in
            ["password", "password123", "P@ssw0rd", "qwertyuiop", "iloveyou1", "12345678", "aaaaaaaaaaaa"]
        {
            assert!(is_common(common), "{common}");
        }
        for good in ["correct horse battery", "kq7zvwxt", "64f1c0de9ab35728", "пароль для поезда"]
        {
            assert!(!is_common(good), "{good}");
        }
        assert!(!is_common(&"kq7zvwxt".repeat(1_000)), "only a bounded part is looked at");
    }

    #[test]
    fn staff_has_twelve_characters_and_customers_eight() {
        let refused = |password, role| check(password, role).err().map(|error| error.to_string());
        assert_eq!(refused("kq7zvwxt", Role::Customer), None);
        for role in [Role::Agent, Role::Admin] {
            assert!(refused("kq7zvwxtbn3", role).unwrap().contains("12 characters"));
            assert_eq!(refused("kq7zvwxtbn3m", role), None);
        }
        assert!(refused("kq7zvwx", Role::Customer).unwrap().contains("8 to 128"));
    }
}
