//! Mirrors: which of them stands for a repository.

use url::Url;

use super::Settings;
use super::model::Mirror;

/// The id of Maven's public repository, which Maven asks unless told otherwise; we never do.
pub(super) const CENTRAL_ID: &str = "central";

/// The layout of every repository since Maven 2.
pub(super) const DEFAULT_LAYOUT: &str = "default";

impl Settings {
    /// Tells which repositories are asked through a mirror, or for the sake of a blocking one not at
    /// all: their ids with those of their mirrors, those of active profiles in the order in which
    /// they stand, then `central` where no profile declares it.
    pub fn mirrored(&self) -> Vec<(String, String)> {
        let declared = self.declared.iter().filter_map(|declared| {
            let id = declared.id.known().ok()?;
            let url = Url::parse(&declared.url.value).ok();
            let layout = declared.layout.as_deref().unwrap_or(DEFAULT_LAYOUT);
            let mirror = choose(&self.mirrors, &Subject::new(id, url.as_ref(), layout))?;
            Some((id.to_owned(), mirror.id.clone()))
        });
        let mut mirrored: Vec<(String, String)> = declared.collect();
        if let Some(mirror) = self.mirror_of_central() {
            mirrored.push((CENTRAL_ID.to_owned(), mirror.id.clone()));
        }
        mirrored
    }

    /// The mirror that stands for `central`, if no profile declares that.
    ///
    /// Its address is not needed, and we do not know it: it is neither local nor plain HTTP.
    pub(super) fn mirror_of_central(&self) -> Option<&Mirror> {
        let is_central = |id: &str| id == CENTRAL_ID;
        if self.declared.iter().any(|one| is_central(&one.id.value)) {
            return None;
        }
        let central = Subject {
            id: CENTRAL_ID,
            scheme: "https",
            host: "",
            layout: DEFAULT_LAYOUT,
        };
        choose(&self.mirrors, &central).filter(|mirror| !mirror.blocked)
    }
}

/// What a mirror is chosen by.
pub(super) struct Subject<'a> {
    pub(super) id: &'a str,
    /// Scheme of the repository's address, in lower case; empty if it has none.
    pub(super) scheme: &'a str,
    /// Host of the repository's address, in lower case.
    pub(super) host: &'a str,
    pub(super) layout: &'a str,
}

impl<'a> Subject<'a> {
    pub(super) fn new(id: &'a str, url: Option<&'a Url>, layout: &'a str) -> Self {
        Self {
            id,
            scheme: url.map(Url::scheme).unwrap_or_default(),
            host: url.and_then(Url::host_str).unwrap_or_default(),
            layout,
        }
    }

    /// As Maven sees it: other loopback addresses than these two are external.
    fn is_local(&self) -> bool {
        matches!(self.host, "localhost" | "127.0.0.1")
    }

    fn is_external(&self) -> bool {
        !self.is_local() && self.scheme != "file"
    }

    fn is_external_http(&self) -> bool {
        !self.is_local() && matches!(self.scheme, "http" | "dav" | "dav+http")
    }
}

/// The mirror that stands for a repository.
///
/// One whose `mirrorOf` is just the repository's id comes before all others; among the others, the
/// first that matches.
pub(super) fn choose<'a>(mirrors: &'a [Mirror], subject: &Subject<'_>) -> Option<&'a Mirror> {
    let fits = |mirror: &&Mirror| layouts_match(mirror.layouts.as_deref(), subject.layout);
    mirrors
        .iter()
        .filter(|mirror| mirror.pattern == subject.id)
        .find(fits)
        .or_else(|| {
            mirrors
                .iter()
                .filter(|one| matches(&one.pattern, subject))
                .find(fits)
        })
}

/// Tells whether a `mirrorOf` names a repository.
///
/// From left to right: an id or `!id` decides and ends it; wildcards (`*`, `external:*`,
/// `external:http:*`) hold unless a later word excludes. Blanks around commas do not count: Maven's
/// own two matchers differ about them.
fn matches(pattern: &str, subject: &Subject<'_>) -> bool {
    let mut matched = false;
    for word in pattern.split(',').map(str::trim) {
        match word {
            _ if word == subject.id => return true,
            _ if word.strip_prefix('!') == Some(subject.id) => return false,
            "*" => matched = true,
            "external:*" => matched |= subject.is_external(),
            "external:http:*" => matched |= subject.is_external_http(),
            _ => {}
        }
    }
    matched
}

/// Tells whether a `mirrorOfLayouts` names a layout: ids, `!id` and `*`, as above; absent, all.
fn layouts_match(pattern: Option<&str>, layout: &str) -> bool {
    let Some(pattern) = pattern else { return true };
    let subject = Subject {
        id: layout,
        scheme: "file",
        host: "",
        layout,
    };
    matches(pattern, &subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Maven's own `DefaultMirrorSelector` (resolver 1.6.3), but for the four rows with
    /// blanks, where that of `maven-compat` is followed.
    const ORACLE: [(&str, &str); 24] = [
        ("*", "YYYYYYYY"),
        ("external:*", "YYnnnYYY"),
        ("external:http:*", "nYnnnYYY"),
        ("corp", "YnnYnnnn"),
        ("*,!corp", "nYYnYYYY"),
        ("!corp,*", "nYYnYYYY"),
        ("corp,!corp", "YnnYnnnn"),
        ("!corp,corp", "nnnnnnnn"),
        ("external:*,!corp", "nYnnnYYY"),
        ("external:http:*,other", "nYYnnYYY"),
        ("a,corp", "YnnYnnnn"),
        ("!other", "nnnnnnnn"),
        ("!", "nnnnnnnn"),
        ("*,!", "YYYYYYYY"),
        ("", "nnnnnnnn"),
        ("CORP", "nnnnnnnn"),
        ("external:https:*", "nnnnnnnn"),
        ("external:*,corp", "YYnYnYYY"),
        ("corp*", "nnnnnnnn"),
        ("!corp", "nnnnnnnn"),
        ("a, corp", "YnnYnnnn"),
        (" corp ,x", "YnnYnnnn"),
        ("* ,!corp", "nYYnYYYY"),
        ("external:* , ! corp", "YYnnnYYY"),
    ];

    const SUBJECTS: [(&str, &str); 8] = [
        ("corp", "https://r.corp/x/"),
        ("other", "http://r.corp/x/"),
        ("other", "http://localhost:8080/"),
        ("corp", "http://127.0.0.1/"),
        ("files", "file:///srv/m/"),
        ("other", "http://[::1]/"),
        ("other", "http://127.0.0.2/"),
        ("other", "HTTP://r.corp/"),
    ];

    #[test]
    fn mirror_of_means_what_it_means_to_maven() {
        for (pattern, expected) in ORACLE {
            let found: String = SUBJECTS
                .iter()
                .map(|(id, url)| {
                    let url = Url::parse(url).unwrap();
                    let subject = Subject::new(id, Some(&url), DEFAULT_LAYOUT);
                    if matches(pattern, &subject) { 'Y' } else { 'n' }
                })
                .collect();
            assert_eq!(found, expected, "{pattern:?}");
        }
    }

    #[test]
    fn mirror_of_layouts_means_what_it_means_to_maven() {
        for (pattern, expected) in [
            (None, true),
            (Some("default"), true),
            (Some("default,legacy"), true),
            (Some("legacy"), false),
            (Some("*"), true),
            (Some("!default,*"), false),
            (Some("*,!default"), false),
            (Some("legacy,default"), true),
            (Some("!legacy"), false),
            (Some("*,!legacy"), true),
        ] {
            assert_eq!(
                layouts_match(pattern, DEFAULT_LAYOUT),
                expected,
                "{pattern:?}"
            );
        }
    }
}
