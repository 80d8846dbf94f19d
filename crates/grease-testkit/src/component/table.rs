//! The table of components: where each is found, and the packages that bring it.

use super::{Component, Place, Row};

/// Every component. The directories of fetched ones carry the version.
pub(super) const ROWS: [Row; 21] = [
    Row {
        component: Component::Python,
        name: "python",
        place: Place::Working("python3", &["-c", "import ensurepip, venv"]),
        packages: &["python3", "python3-venv"],
    },
    Row {
        component: Component::Luigi,
        name: "luigi",
        place: Place::Fetched("luigi-3.8.1", "bin"),
        packages: &[],
    },
    Row {
        component: Component::Java,
        name: "java",
        place: Place::Program("java"),
        packages: &["default-jre-headless"],
    },
    Row {
        component: Component::JavaCompiler,
        name: "javac",
        place: Place::Program("javac"),
        packages: &["default-jdk-headless"],
    },
    Row {
        component: Component::Hadoop,
        name: "hadoop",
        place: Place::Fetched("hadoop-3.3.4", "bin"),
        packages: &[],
    },
    Row {
        component: Component::WordCount,
        name: "wordcount",
        place: Place::Fetched("wordcount", "wordcount.jar"),
        packages: &[],
    },
    Row {
        component: Component::Maven,
        name: "maven",
        place: Place::Maven,
        packages: &[
            "maven",
            "libmaven-assembly-plugin-java",
            "libmaven-compiler-plugin-java",
            "libmaven-dependency-plugin-java",
            "libmaven-deploy-plugin-java",
            "libmaven-install-plugin-java",
            "libmaven-jar-plugin-java",
            "libmaven-resources-plugin-java",
            "libsurefire-java",
        ],
    },
    Row {
        component: Component::FatJar,
        name: "fat-jar",
        place: Place::Fetched("fat-jar", "target/fat-job-1.0-jar-with-dependencies.jar"),
        packages: &[],
    },
    Row {
        component: Component::Script,
        name: "script",
        place: Place::Program("script"),
        packages: &["bsdutils"],
    },
    Row {
        component: Component::Cron,
        name: "cron",
        place: Place::Program("cron"),
        packages: &["cron"],
    },
    Row {
        component: Component::MountNamespace,
        name: "mount-namespace",
        place: Place::Working("unshare", &["--mount", "true"]),
        packages: &[],
    },
    Row {
        component: Component::Openssl,
        name: "openssl",
        place: Place::Program("openssl"),
        packages: &["openssl"],
    },
    Row {
        component: Component::Bindfs,
        name: "bindfs",
        place: Place::Working(
            "sh",
            &[
                "-c",
                "d=$(mktemp -d) && bindfs $d $d && umount $d && rmdir $d",
            ],
        ),
        packages: &["bindfs"],
    },
    Row {
        component: Component::Nginx,
        name: "nginx",
        place: Place::Program("nginx"),
        packages: &["nginx-light"],
    },
    Row {
        component: Component::StressNg,
        name: "stress-ng",
        place: Place::Program("stress-ng"),
        packages: &["stress-ng"],
    },
    Row {
        component: Component::Fuse,
        name: "fuse",
        place: Place::Working("sh", &["-c", "exec 3<>/dev/fuse && unshare --mount true"]),
        packages: &[],
    },
    Row {
        component: Component::Lnav,
        name: "lnav",
        place: Place::Program("lnav"),
        packages: &["lnav"],
    },
    Row {
        component: Component::Promtool,
        name: "promtool",
        place: Place::Program("promtool"),
        packages: &["prometheus"],
    },
    Row {
        component: Component::Zsh,
        name: "zsh",
        place: Place::Program("zsh"),
        packages: &["zsh"],
    },
    Row {
        component: Component::Fish,
        name: "fish",
        place: Place::Program("fish"),
        packages: &["fish"],
    },
    Row {
        component: Component::Faketime,
        name: "faketime",
        place: Place::Program("faketime"),
        packages: &["faketime"],
    },
];
