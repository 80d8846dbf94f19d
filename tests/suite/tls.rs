//! A repository over TLS, served by a real web server with a certificate of a company's own.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use grease_testkit::component::{Component, require};
use grease_testkit::jar::JarBuilder;
use grease_testkit::sandbox::{Sandbox, wait_until};
use serde_json::json;

const JAR: &str = "com/acme/etl/1.0/etl-1.0-jar-with-dependencies.jar";

/// What a certificate of a server must say.
const EXTENSIONS: &str = "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n\
                          extendedKeyUsage=serverAuth\n";

/// A server that ends when it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "they are no jobs")]
fn tool(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Makes `ca.pem`, and `cert.pem` with `key.pem` for `localhost`, which it has signed.
fn make_certificates(openssl: &Path, directory: &Path) {
    fs_err::write(directory.join("extensions"), EXTENSIONS).unwrap();
    for line in [
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test \
         -addext basicConstraints=critical,CA:TRUE",
        "req -newkey rsa:2048 -nodes -keyout key.pem -out request -subj /CN=localhost",
        "x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
         -extfile extensions -out cert.pem",
    ] {
        let status = tool(openssl, directory)
            .args(line.split_whitespace())
            .status();
        assert!(status.unwrap().success(), "{line}");
    }
}

/// Serves `site` in a directory with certificates.
fn serve(nginx: &Path, directory: &Path) -> (Server, u16) {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = port.local_addr().unwrap().port();
    let at = directory.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {at}/{kind};"))
        .concat();
    let text = format!(
        "daemon off; master_process off; pid {at}/pid; events {{ }}\n\
         http {{ access_log off; {temporary}\n\
         server {{ listen 127.0.0.1:{port} ssl; root {at}/site;\n\
         ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem; }} }}\n"
    );
    let configuration = directory.join("nginx.conf");
    fs_err::write(&configuration, text).unwrap();
    let mut command = tool(nginx, directory);
    command.arg("-e").arg(directory.join("error.log"));
    let server = Server(command.arg("-c").arg(configuration).spawn().unwrap());
    wait_until("the server listens", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    (server, port)
}

/// The tools, unless one is missing.
fn tools() -> Option<(PathBuf, PathBuf)> {
    let openssl = require(Component::Openssl)?.path;
    Some((openssl, require(Component::Nginx)?.path))
}

#[test]
fn a_certificate_is_trusted_if_its_authority_is_and_not_otherwise() {
    let Some((openssl, nginx)) = tools() else {
        return;
    };
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    let directory = sandbox.path("server");
    let jar = directory.join("site").join(JAR);
    fs_err::create_dir_all(jar.parent().unwrap()).unwrap();
    JarBuilder::new()
        .script("job.sh", "#!/bin/sh\necho done\n")
        .write(&jar);
    make_certificates(&openssl, &directory);
    let (_server, port) = serve(&nginx, &directory);
    let url = format!("https://localhost:{port}/");
    let config = json!({"artifacts": {"repositories": [{"id": "corp", "url": url}]}});
    sandbox.config(&config.to_string());
    let run = || sandbox.greaserun(["-r", "shell", "com.acme:etl:1.0", "job.sh"]);

    let refused = run().finish();
    assert_eq!(refused.code, Some(69), "{}", refused.all());
    assert!(refused.err().contains("certificate"), "{}", refused.err());

    let authority = directory.join("ca.pem");
    let trusted = run().env("SSL_CERT_FILE", authority).finish();
    assert_eq!(trusted.out(), "done\n", "{}", trusted.err());
}
