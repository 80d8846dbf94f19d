//! Unpacks a folder of a jar into an empty directory: `unpack JAR FOLDER DIRECTORY`.

use std::error::Error;
use std::path::Path;

use grease_core::jar::{Jar, Selection};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [jar, folder, directory] = arguments.as_slice() else {
        return Err("needs JAR FOLDER DIRECTORY".into());
    };
    let jar = Jar::open(Path::new(jar))?;
    let plan = jar.select(&Selection::Folder {
        name: folder.clone(),
    })?;
    jar.unpack(&plan, Path::new(directory), &|| false)?;
    Ok(())
}
