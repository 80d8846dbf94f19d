//! Encrypted passwords of Maven 3: how they are told from plain ones, and how they are decrypted.
//!
//! The form (`plexus-cipher`): between `{` and `}` in base64, 8 bytes of salt, one byte with the
//! length of the padding, the ciphertext, the padding. SHA-256 of password and salt gives the key
//! and the initial vector of AES-128-CBC. What stands outside the braces is comment.

use aes::Aes128;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use sha2::{Digest as _, Sha256};

use crate::repository::Secret;

const SALT_BYTES: usize = 8;
const BLOCK_BYTES: usize = 16;

/// What a password's text is.
pub(super) enum Form {
    /// The password itself.
    Plain,
    /// Encrypted as Maven 3 does.
    Encrypted(Sealed),
    /// In braces, but not of that form.
    Unknown(&'static str),
}

/// The parts of an encrypted password.
pub(super) struct Sealed {
    salt: Vec<u8>,
    ciphertext: Vec<u8>,
}

/// Tells what a password's text is.
///
/// Braces inside a text that is not of the encrypted form belong to a plain password. A text that
/// is in braces as a whole is meant to be encrypted.
pub(super) fn recognise(text: &str) -> Form {
    let Some(inside) = in_braces(text) else {
        return Form::Plain;
    };
    if inside.starts_with('[') && inside.contains(']') {
        return Form::Unknown(
            "it has the form of Maven 4 (or of an extension), and only that of Maven 3 is known",
        );
    }
    match sealed(inside) {
        Some(sealed) => Form::Encrypted(sealed),
        None if text.starts_with('{') && text.ends_with('}') => {
            Form::Unknown("what is in the braces is no encrypted password of Maven 3")
        }
        None => Form::Plain,
    }
}

/// What is between the first `{` and the next `}`; after `\` they do not count.
fn in_braces(text: &str) -> Option<&str> {
    let brace = |from: usize, wanted: char| {
        text.get(from..)?
            .match_indices(wanted)
            .map(|(index, _)| from + index)
            .find(|index| {
                !text
                    .get(..*index)
                    .is_some_and(|before| before.ends_with('\\'))
            })
    };
    let start = brace(0, '{')? + 1;
    text.get(start..brace(start, '}')?)
}

fn sealed(inside: &str) -> Option<Sealed> {
    let base64: String = inside.split_whitespace().collect();
    let bytes = STANDARD.decode(base64).ok()?;
    let (salt, rest) = bytes.split_at_checked(SALT_BYTES)?;
    let (padding, rest) = rest.split_first()?;
    let length = rest.len().checked_sub(usize::from(*padding))?;
    let ciphertext = rest.get(..length)?;
    let whole = length > 0 && length.is_multiple_of(BLOCK_BYTES);
    whole.then(|| Sealed {
        salt: salt.to_owned(),
        ciphertext: ciphertext.to_owned(),
    })
}

/// Decrypts; none if the password is another, or the bytes are damaged.
pub(super) fn decrypt(sealed: &Sealed, password: &Secret) -> Option<Secret> {
    let digest = Sha256::new()
        .chain_update(password.0.as_bytes())
        .chain_update(&sealed.salt)
        .finalize();
    let (key, vector) = digest.split_at(BLOCK_BYTES);
    let decryptor =
        Decryptor::<Aes128>::new_from_slices(key, vector).expect("both are half a digest long");
    let plain = decryptor
        .decrypt_padded_vec::<Pkcs7>(&sealed.ciphertext)
        .ok()?;
    String::from_utf8(plain).ok().map(Secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `mvn --encrypt-master-password` and `mvn --encrypt-password` of Maven 3.8.7.
    const MASTER: &str = "{vf6LtZP7FK0Hx7VBhB9aEgZkwWXXBf55bps6kwZCSrU=}";
    const PASSWORD: &str = "{+5wrJ0hrqDYHk/y+BMjx84BwN3ShY5Jc1rJnspKDvT8=}";

    fn decrypted(text: &str, password: &str) -> Option<String> {
        let Form::Encrypted(sealed) = recognise(text) else {
            panic!("not encrypted: {text}")
        };
        decrypt(&sealed, &Secret(password.to_owned())).map(|secret| secret.0)
    }

    #[test]
    fn passwords_encrypted_by_maven_are_decrypted() {
        assert_eq!(
            decrypted(MASTER, "settings.security").as_deref(),
            Some("masterpw")
        );
        for text in [
            PASSWORD,
            &format!("expires 2030 {PASSWORD} ask ann"),
            &format!("\\{{{PASSWORD}"),
        ] {
            assert_eq!(
                decrypted(text, "masterpw").as_deref(),
                Some("repo-secret"),
                "{text}"
            );
        }
    }

    #[test]
    fn another_master_or_a_damaged_text_gives_nothing() {
        assert_eq!(decrypted(PASSWORD, "other"), None);
        assert_eq!(
            decrypted(&PASSWORD.replace("Jc1r", "Jc2r"), "masterpw"),
            None
        );
    }

    #[test]
    fn plain_passwords_with_braces_stay_plain() {
        for text in [
            "", "secret", "p{ss}w", "{open", "}{", "a{}b", "\\{not}", "x{YWJj}",
        ] {
            assert!(matches!(recognise(text), Form::Plain), "{text}");
        }
    }

    #[test]
    fn what_is_in_braces_and_not_of_the_known_form_is_told() {
        for text in [
            "{deadbeef}",
            "{}",
            "{not base64!}",
            "{[name=master,cipher=AES/GCM/NoPadding,version=4.0]aGVsbG8=}",
            "{[type=x]aGVsbG8=}",
        ] {
            assert!(matches!(recognise(text), Form::Unknown(_)), "{text}");
        }
    }
}
