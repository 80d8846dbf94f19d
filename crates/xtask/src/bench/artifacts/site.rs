//! What the repository has: a small snapshot that is the latest of its artifact, and a release of
//! 120 MB.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use grease_testkit::jar::{JarBuilder, write_heavy};

use crate::command::command;

/// Bytes of the release, without the frame of the archive.
pub(super) const LARGE_BYTES: usize = 120_000_000;

/// The snapshot, as `greaserun` asks for what names no version.
pub(super) const SNAPSHOT: &str = "com.example:app:LATEST:jar:jar-with-dependencies";

/// The release.
pub(super) const RELEASE: &str = "com.example:large:1.0:jar:jar-with-dependencies";

/// The group's directory in every repository.
pub(super) const GROUP: &str = "com/example";

/// The release's file below the repository.
pub(super) const RELEASE_PATH: &str = "com/example/large/1.0/large-1.0-jar-with-dependencies.jar";

/// The build of the snapshot that there is.
const BUILD: &str = "3.0-20240102.030405-7";

const ARTIFACT_METADATA: &str = "\
<metadata>
  <groupId>com.example</groupId>
  <artifactId>app</artifactId>
  <versioning>
    <latest>3.0-SNAPSHOT</latest>
    <release>2.0</release>
    <versions>
      <version>1.0</version>
      <version>2.0</version>
      <version>3.0-SNAPSHOT</version>
    </versions>
    <lastUpdated>20240102030405</lastUpdated>
  </versioning>
</metadata>
";

const SNAPSHOT_METADATA: &str = "\
<metadata modelVersion=\"1.1.0\">
  <groupId>com.example</groupId>
  <artifactId>app</artifactId>
  <version>3.0-SNAPSHOT</version>
  <versioning>
    <snapshot><timestamp>20240102.030405</timestamp><buildNumber>7</buildNumber></snapshot>
    <lastUpdated>20240102030405</lastUpdated>
    <snapshotVersions>
      <snapshotVersion>
        <classifier>jar-with-dependencies</classifier>
        <extension>jar</extension>
        <value>3.0-20240102.030405-7</value>
        <updated>20240102030405</updated>
      </snapshotVersion>
      <snapshotVersion>
        <extension>pom</extension>
        <value>3.0-20240102.030405-7</value>
        <updated>20240102030405</updated>
      </snapshotVersion>
    </snapshotVersions>
  </versioning>
</metadata>
";

/// Fills the directory of the repository; returns the SHA-1 of the release.
pub(super) fn make(site: &Path) -> Result<String> {
    let group = site.join(GROUP);
    let (app, large) = (group.join("app"), group.join("large/1.0"));
    let builds = app.join("3.0-SNAPSHOT");
    fs_err::create_dir_all(&builds)?;
    fs_err::create_dir_all(&large)?;
    put(&app.join("maven-metadata.xml"), ARTIFACT_METADATA)?;
    put(&builds.join("maven-metadata.xml"), SNAPSHOT_METADATA)?;
    put(
        &builds.join(format!("app-{BUILD}.pom")),
        &pom("app", "3.0-SNAPSHOT"),
    )?;
    put(&large.join("large-1.0.pom"), &pom("large", "1.0"))?;
    let small = builds.join(format!("app-{BUILD}-jar-with-dependencies.jar"));
    JarBuilder::new().file("job.txt", "content\n").write(&small);
    add_checksum(&small)?;
    let release = site.join(RELEASE_PATH);
    write_heavy(&release, LARGE_BYTES);
    add_checksum(&release)
}

fn pom(artifact: &str, version: &str) -> String {
    format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>com.example</groupId>\
         <artifactId>{artifact}</artifactId><version>{version}</version></project>\n"
    )
}

fn put(path: &Path, text: &str) -> Result<()> {
    fs_err::write(path, text)?;
    add_checksum(path)?;
    Ok(())
}

/// Writes the checksum file beside a file; returns what is in it.
fn add_checksum(path: &Path) -> Result<String> {
    let output = command("sha1sum").arg(path).output()?;
    ensure!(output.status.success(), "`sha1sum` failed");
    let text = String::from_utf8(output.stdout)?;
    let digits = text
        .split(' ')
        .next()
        .context("`sha1sum` printed nothing")?;
    let name = format!("{}.sha1", path.display());
    fs_err::write(PathBuf::from(name), digits)?;
    Ok(digits.to_owned())
}
