//! Specifications that both sides resolve, with the repositories that are asked.

use std::path::Path;

use crate::maven;

/// A specification, and who is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// `group:artifact:version:packaging:classifier`, in the dependency plugin's order.
    pub(crate) coordinates: &'static str,
    /// Who is asked, in this order.
    pub(crate) sources: &'static [Source],
    /// How Maven is asked.
    pub(crate) goal: Goal,
    /// Whether there is a file.
    pub(crate) is_found: bool,
}

/// How Maven is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// `dependency:copy`, which knows no ranges.
    Copy,
    /// As a dependency of a project, with `dependency:copy-dependencies`.
    Dependency,
}

/// A repository that is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    /// Its id.
    pub(crate) id: &'static str,
    /// Its directory below all repositories.
    pub(crate) directory: &'static str,
    pub(crate) releases: bool,
    pub(crate) snapshots: bool,
    pub(crate) update: &'static str,
    pub(crate) checksum: &'static str,
}

impl Source {
    /// A repository for everything that is named like its directory.
    const fn new(id: &'static str) -> Self {
        Self {
            id,
            directory: id,
            releases: true,
            snapshots: true,
            // Not by days: a midnight may pass while the tests run.
            update: "interval:720",
            checksum: "warn",
        }
    }

    /// As settings and projects have it.
    pub(crate) fn elements(&self, remotes: &Path) -> String {
        let url = format!("file://{}", remotes.join(self.directory).display());
        let policy = |is_enabled: bool| {
            let enabled = if is_enabled { "true" } else { "false" };
            maven::elements(&[
                ("enabled", enabled),
                ("updatePolicy", self.update),
                ("checksumPolicy", self.checksum),
            ])
        };
        maven::elements(&[
            ("id", self.id),
            ("url", &url),
            ("releases", &policy(self.releases)),
            ("snapshots", &policy(self.snapshots)),
        ])
    }
}

impl Case {
    pub(crate) const fn new(coordinates: &'static str, sources: &'static [Source]) -> Self {
        Self {
            coordinates,
            sources,
            goal: Goal::Copy,
            is_found: true,
        }
    }

    const fn missing(coordinates: &'static str, sources: &'static [Source]) -> Self {
        Self {
            is_found: false,
            ..Self::new(coordinates, sources)
        }
    }

    pub(crate) const fn dependency(coordinates: &'static str, sources: &'static [Source]) -> Self {
        Self {
            goal: Goal::Dependency,
            ..Self::new(coordinates, sources)
        }
    }

    /// Group, artifact, version, packaging and classifier.
    pub(crate) fn fields(&self) -> [&'static str; 5] {
        let fields: Vec<_> = self.coordinates.split(':').collect();
        fields.try_into().unwrap()
    }
}

const FIRST: Source = Source::new("one");
const SECOND: Source = Source::new("two");

/// The repository with most of it.
pub(crate) const ONE: &[Source] = &[FIRST];
const TWO: &[Source] = &[SECOND];
const ONE_TWO: &[Source] = &[FIRST, SECOND];
const TWO_ONE: &[Source] = &[SECOND, FIRST];
const RELEASES: &[Source] = &[Source {
    snapshots: false,
    ..FIRST
}];
const SNAPSHOTS: &[Source] = &[Source {
    releases: false,
    ..FIRST
}];
/// The first repository's releases and the second's snapshots.
const SPLIT: &[Source] = &[
    Source {
        snapshots: false,
        ..FIRST
    },
    Source {
        releases: false,
        ..SECOND
    },
];
/// The first repository's releases and its snapshots, as if they were two.
pub(crate) const HALVES: &[Source] = &[
    Source {
        id: "one-releases",
        snapshots: false,
        ..FIRST
    },
    Source {
        id: "one-snapshots",
        releases: false,
        ..FIRST
    },
];
/// A repository that is not there, and then the first.
const ABSENT_ONE: &[Source] = &[
    Source {
        directory: "nowhere",
        ..Source::new("absent")
    },
    FIRST,
];

/// What both sides must agree on.
pub(crate) const AGREED: &[Case] = &[
    // Releases, with and without classifier, from one repository or the first that has it.
    Case::new("com.ex:app:1.0:jar:", ONE),
    Case::new("com.ex:app:1.0:jar:all", ONE),
    Case::new("com.ex:app:1.0:jar:sources", ONE),
    Case::new("com.ex:app:1.0:jar:tests", ONE),
    Case::new("com.ex:app:1.0:test-jar:tests", ONE),
    Case::new("com.ex:app:1.0:java-source:sources", ONE),
    Case::new("com.ex:app:1.0:ejb-client:client", ONE),
    Case::new("com.ex:app:1.0:ejb:", ONE),
    Case::new("com.ex:app:1.0:maven-plugin:all", ONE),
    Case::new("com.ex:app:1.0:pom:", ONE),
    Case::new("com.ex:app:1.2-rc1:jar:all", ONE),
    Case::new("com.ex:app:1.1:jar:all", ONE_TWO),
    Case::missing("com.ex:app:1.0:jar:none", ONE),
    Case::missing("com.ex:app:1.0:war:", ONE),
    Case::missing("com.ex:app:0.1:jar:", ONE),
    Case::missing("com.ex:nobody:1.0:jar:", ONE_TWO),
    Case::new("com.ex:app:1.3:jar:", ONE_TWO),
    Case::new("com.ex:app:1.3:jar:", ABSENT_TWO),
    Case::missing("com.ex:elsewhere:1.0:jar:", ONE),
    Case::missing("com.ex:app:2.0:jar:", SNAPSHOTS),
    // Packagings, and names with everything that is legal.
    Case::new("com.ex:packed:1.0:war:", ONE),
    Case::new("com.ex:packed:1.0:zip:", ONE),
    Case::new("com.ex:packed:1.0:zip:dist", ONE),
    Case::new("com.ex:packed:1.0:tar.gz:dist", ONE),
    Case::new("com.ex:packed:1.0:json:", ONE),
    Case::new("com.ex:packed:1.0:xml:schema", ONE),
    Case::missing("com.ex:packed:1.0:jar:", ONE),
    Case::new("com.ex:odd_name.of-it:1.0+build.7:jar:all", ONE),
    Case::new("com.ex:odd_name.of-it:RELEASE:jar:", ONE),
    // The latest, and the latest release.
    Case::new("com.ex:app:LATEST:jar:all", ONE),
    Case::new("com.ex:app:RELEASE:jar:all", ONE),
    Case::new("com.ex:app:LATEST:jar:", ONE_TWO),
    Case::new("com.ex:app:RELEASE:jar:", TWO_ONE),
    Case::new("com.ex:app:LATEST:jar:", SPLIT),
    Case::missing("com.ex:order:LATEST:jar:sources", ONE),
    Case::missing("com.ex:sealed:RELEASE:jar:", SNAPSHOTS),
    Case::missing("com.ex:nobody:LATEST:jar:", ONE_TWO),
    Case::new("com.ex:beta:LATEST:jar:", ONE),
    Case::new("com.ex:named:LATEST:jar:all", ONE),
    Case::new("com.ex:named:RELEASE:jar:all", ONE),
    Case::new("com.ex:named:LATEST:jar:all", ONE_TWO),
    Case::new("com.ex:named:RELEASE:jar:all", ONE_TWO),
    Case::new("com.ex:undated:LATEST:jar:", ONE_TWO),
    Case::new("com.ex:undated:LATEST:jar:", TWO_ONE),
    Case::new("com.ex:same-date:LATEST:jar:", ONE_TWO),
    Case::new("com.ex:same-date:LATEST:jar:", TWO_ONE),
    Case::new("com.ex:sloppy:LATEST:jar:", ONE),
    // Snapshots: several builds, classifiers that a later build lacks, two repositories.
    Case::new("com.ex:app:2.1-SNAPSHOT:jar:", ONE),
    Case::new("com.ex:app:2.1-SNAPSHOT:jar:all", ONE),
    Case::new("com.ex:app:2.1-SNAPSHOT:jar:sources", ONE),
    Case::new("com.ex:app:2.1-SNAPSHOT:zip:dist", ONE),
    Case::new("com.ex:app:2.1-SNAPSHOT:pom:", ONE),
    Case::missing("com.ex:app:2.1-SNAPSHOT:jar:none", ONE),
    Case::missing("com.ex:sealed:1.0-SNAPSHOT:jar:", RELEASES),
    Case::new("com.ex:app:2.1-SNAPSHOT:jar:", SPLIT),
    Case::new("com.ex:app:2.1-SNAPSHOT:jar:", HALVES),
    Case::missing("com.ex:app:3.9-SNAPSHOT:jar:", ONE),
    Case::new("com.ex:snap:1.0-SNAPSHOT:jar:", ONE_TWO),
    Case::new("com.ex:snap:1.0-SNAPSHOT:jar:", TWO_ONE),
    Case::new("com.ex:snap:1.0-SNAPSHOT:jar:all", ONE_TWO),
    Case::new("com.ex:snap:1.0-SNAPSHOT:jar:", ABSENT_ONE),
    Case::new("com.ex:late:1.0-SNAPSHOT:jar:", ONE_TWO),
    Case::new("com.ex:several:1.0-SNAPSHOT:jar:", ONE),
    Case::new("com.ex:several:1.0-SNAPSHOT:jar:all", ONE),
    Case::new("com.ex:several:1.0-SNAPSHOT:zip:dist", ONE),
    Case::new("com.ex:several:1.0-20240102.030405-2:jar:all", ONE),
    Case::missing("com.ex:several:1.0-20240102.030405-9:jar:all", ONE),
    Case::new("com.ex:second:1.0-SNAPSHOT:jar:", ONE),
    Case::new("com.ex:second:LATEST:jar:", ONE),
    Case::new("com.ex:second:1.0-SNAPSHOT:jar:", TWO),
    Case::new("com.ex:second:1.0-SNAPSHOT:jar:", ONE_TWO),
    Case::new("com.ex:second:1.0-SNAPSHOT:jar:", TWO_ONE),
    Case::new("com.ex:mixed:1.0-SNAPSHOT:jar:", ONE_TWO),
    Case::new("com.ex:mixed:1.0-SNAPSHOT:jar:", TWO_ONE),
    Case::new("com.ex:unmixed:1.0-SNAPSHOT:jar:", ONE_TWO),
    Case::new("com.ex:zero:1.0-SNAPSHOT:jar:", ONE),
    Case::new("com.ex:copied:1.0-SNAPSHOT:jar:", ONE),
    Case::new("com.ex:plain:1.0-SNAPSHOT:jar:", ONE),
    // Ranges: tricky orders, several repositories, no snapshot in reach.
    Case::dependency("com.ex:app:[1.0,1.2):jar:", ONE),
    Case::dependency("com.ex:app:[1.0,1.2):jar:all", ONE),
    Case::dependency("com.ex:app:[1.0,1.2]:jar:", ONE_TWO),
    Case::dependency("com.ex:app:[1.0,2.0.min):jar:", ONE_TWO),
    Case::dependency("com.ex:app:(,1.1):jar:", ONE),
    Case::dependency("com.ex:app:[1.3]:jar:", TWO_ONE),
    Case::dependency("com.ex:app:[2.0,2.1-SNAPSHOT]:jar:all", ONE),
    Case::dependency("com.ex:order:(,1.0):jar:", ONE),
    Case::dependency("com.ex:order:(,1.0-alpha-1]:jar:", ONE),
    Case::dependency("com.ex:order:[1.0-beta,1.0-rc1]:jar:", ONE),
    Case::dependency("com.ex:order:[1.0,1.0]:jar:", ONE),
    Case::dependency("com.ex:order:[1.0,1.0.1):jar:", ONE),
    Case::dependency("com.ex:order:[1.0,1.0.1-jre):jar:", ONE),
    Case::dependency("com.ex:order:[1.9,1.10):jar:", ONE),
    Case::dependency("com.ex:order:[1.9,2):jar:", ONE),
    Case::dependency("com.ex:order:[1.0,1.0.1],[1.9,1.10):jar:", ONE),
    Case::dependency("com.ex:order:[2.0,10):jar:", ONE),
    Case::dependency("com.ex:order:[2,):jar:", ONE),
    Case::dependency("com.ex:order:(,1):jar:", ONE),
    // What is installed here.
    Case::new("com.ex:installed:0.9:jar:", ONE),
    Case::new("com.ex:installed:1.0:jar:all", ONE),
    Case::new("com.ex:installed:1.0:jar:", ONE),
    Case::new("com.ex:installed:1.1-SNAPSHOT:jar:all", RELEASES),
    Case::new("com.ex:only-here:1.0-SNAPSHOT:jar:", ONE),
    Case::new("com.ex:only-here:1.0:jar:all", ONE),
    Case::new("com.ex:only-here:RELEASE:jar:", ONE),
    Case::new("com.ex:only-here:LATEST:jar:", ONE),
    Case::new("com.ex:installed:LATEST:jar:all", ONE),
    Case::new("com.ex:installed:RELEASE:jar:all", ONE),
    Case::new("com.ex:installed:1.1-SNAPSHOT:jar:all", ONE),
    Case::new("com.ex:installed-later:1.0-SNAPSHOT:jar:", TWO),
    Case::dependency("com.ex:only-here:[1.0,2.0):jar:", ONE),
];

/// A repository that is not there, and then the second.
const ABSENT_TWO: &[Source] = &[
    Source {
        directory: "nowhere",
        ..Source::new("absent")
    },
    SECOND,
];
