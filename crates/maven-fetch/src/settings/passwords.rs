//! Passwords of settings: plain, or encrypted with the master password of `settings-security.xml`.

use std::path::PathBuf;

use super::cipher::{Form, decrypt, recognise};
use super::document::{Source, Text};
use super::error::Error;
use super::surroundings::Surroundings;
use crate::repository::{Credentials, Secret};

/// With what Maven encrypts the master password itself: it only hides it from a glance.
const MASTER_OF_MASTER: &str = "settings.security";

/// How many `<relocation>`s are followed: one leads to a memory stick, more are a mistake.
const RELOCATIONS_MAX: usize = 4;

/// The user name and password of an entry, decrypted; none if it has no user name.
pub(super) fn credentials(
    username: Option<&Text>,
    password: Option<&Text>,
    surroundings: &Surroundings,
) -> Result<Option<Credentials>, Error> {
    let Some(username) = username else {
        return Ok(None);
    };
    let password = match password {
        Some(password) => reveal(password, surroundings)?,
        None => Secret(String::new()),
    };
    Ok(Some(Credentials {
        username: username.known()?.to_owned(),
        password,
    }))
}

/// The password that a text stands for.
fn reveal(text: &Text, surroundings: &Surroundings) -> Result<Secret, Error> {
    let written = text.known_secret()?;
    let failed = |reason: String| Error::Decryption {
        place: text.place.clone(),
        element: text.element.clone(),
        reason,
    };
    match recognise(written) {
        Form::Plain => Ok(Secret(written.to_owned())),
        Form::Unknown(reason) => Err(failed(reason.to_owned())),
        Form::Encrypted(sealed) => {
            let (file, master) = master(surroundings, &failed)?;
            decrypt(&sealed, &master).ok_or_else(|| {
                failed(format!(
                    "the master password in `{}` is another",
                    file.display()
                ))
            })
        }
    }
}

/// Finds the master password, and the file that has it.
fn master(
    surroundings: &Surroundings,
    failed: &dyn Fn(String) -> Error,
) -> Result<(PathBuf, Secret), Error> {
    let mut file = surroundings.security_file();
    for _ in 0..=RELOCATIONS_MAX {
        let source = Source::read(&file)?
            .ok_or_else(|| failed(format!("`{}` does not exist", file.display())))?;
        let value_of = |name: &str| surroundings.value_of(name);
        let (relocation, master) = source.parse("settingsSecurity", &value_of, |root| {
            Ok((root.value("relocation")?, root.value("master")?))
        })?;
        if let Some(relocation) = relocation {
            let to = relocation.known()?;
            let directory = file.parent().map(PathBuf::from).unwrap_or_default();
            file = directory.join(to.strip_prefix("file://").unwrap_or(to));
            continue;
        }
        let master =
            master.ok_or_else(|| failed(format!("`{}` has no `<master>`", file.display())))?;
        let Form::Encrypted(sealed) = recognise(master.known_secret()?) else {
            return Err(master.unexpected("a password encrypted by `--encrypt-master-password`"));
        };
        let master = decrypt(&sealed, &Secret(MASTER_OF_MASTER.to_owned()))
            .ok_or_else(|| master.unexpected("an undamaged encrypted password"))?;
        return Ok((file, master));
    }
    Err(failed(format!(
        "`{}` is one `<relocation>` too many",
        file.display()
    )))
}
