//! Strangers that call: a thousand forged INVITEs a second, while a fax of ours is on the line.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use postfax::carrier::CallRecord;

use crate::daemon::{Daemon, Site};
use crate::mail::{Client, letter};

const A_SECOND: u32 = 1000;
/// They come in handfuls.
const HANDFUL: Duration = Duration::from_millis(10);
/// How long they come alone.
const ALONE: Duration = Duration::from_secs(10);
/// A fax of two pages that takes longer than this does not arrive.
const PATIENCE: Duration = Duration::from_secs(180);
/// An address that is not the trunk's.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

/// What the daemon needs for them alone, and how a fax fares beside them.
pub fn measure(figures: &mut Vec<String>) -> anyhow::Result<()> {
    let carrier = Carrier::start()?;
    let site = Site::new(carrier.address)?;
    let (daemon, _) = Daemon::start(&site)?;
    std::thread::sleep(Duration::from_secs(1));
    let before = daemon.memory()?.rss_kb;
    daemon.forget_peak()?;
    let flood = Flood::against(site.sip)?;
    let (cpu, began) = (daemon.cpu_seconds()?, Instant::now());
    std::thread::sleep(ALONE);
    let share = (daemon.cpu_seconds()? - cpu) / began.elapsed().as_secs_f64();
    let began = Instant::now();
    Client::connect(daemon.smtp)?.submit("5552009999", &letter())?;
    let call = carrier.first_call()?;
    let took = began.elapsed().as_secs_f64();
    let peak = daemon.memory()?.peak_kb;
    let (sent, answered) = flood.end()?;
    let percent = share * 100.0;
    println!(
        "{sent:.0} forged INVITEs a second: {percent:.1} % of a core, {before} KB resident before and at most {peak} KB, \
         {answered} answers; a fax beside them: {} after {took:.1} s",
        call.outcome
    );
    figures.push(format!(
        "forged_cpu_percent={percent:.1} forged_peak_kb={peak} forged_answers={answered} forged_fax={}",
        call.outcome
    ));
    Ok(())
}

/// The simulated carrier, and where its machines put what they get.
struct Carrier {
    process: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Carrier {
    fn start() -> anyhow::Result<Carrier> {
        let folder = tempfile::tempdir()?;
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let process = Command::new(env!("CARGO_BIN_EXE_postfax"))
            .args(["carrier", "--listen", &address.to_string(), "--folder"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Carrier {
            process,
            address,
            folder,
        })
    }

    fn first_call(&self) -> anyhow::Result<CallRecord> {
        let file = self.folder.path().join("calls.jsonl");
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let text = fs::read_to_string(&file).unwrap_or_default();
            if let Some((line, _)) = text.split_once('\n') {
                return serde_json::from_str(line).context("a line of calls.jsonl");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("no call came to its end beside the forged INVITEs")
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Forged INVITEs, each a call of its own, until it is told to end.
struct Flood {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<io::Result<(f64, usize)>>,
}

impl Flood {
    fn against(victim: SocketAddr) -> io::Result<Flood> {
        let socket = UdpSocket::bind((STRANGER, 0))?;
        socket.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let until = stop.clone();
        let sender = std::thread::spawn(move || {
            let (began, mut sent, mut answers) = (Instant::now(), 0_u32, 0);
            while !until.load(Ordering::Relaxed) {
                let due = began.elapsed().as_secs_f64() * f64::from(A_SECOND);
                while f64::from(sent) < due {
                    socket.send_to(invite(victim, sent).as_bytes(), victim)?;
                    sent += 1;
                }
                while socket.recv(&mut [0; 2000]).is_ok() {
                    answers += 1;
                }
                std::thread::sleep(HANDFUL);
            }
            Ok((f64::from(sent) / began.elapsed().as_secs_f64(), answers))
        });
        Ok(Flood { stop, sender })
    }

    /// How many left a second, and how many answers came.
    fn end(self) -> anyhow::Result<(f64, usize)> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.sender.join().expect("it does not panic")?)
    }
}

/// As scanners write them.
fn invite(victim: SocketAddr, number: u32) -> String {
    let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.66\r\ns=-\r\nc=IN IP4 192.0.2.66\r\nt=0 0\r\n\
               m=audio 4000 RTP/AVP 0 8\r\n";
    format!(
        "INVITE sip:9011442079460018@{victim} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bK{number:08x};rport\r\n\
         From: <sip:100@{victim}>;tag={number:08x}\r\nTo: <sip:9011442079460018@{victim}>\r\n\
         Call-ID: {number:08x}{number:08x}\r\nCSeq: 1 INVITE\r\nContact: <sip:100@192.0.2.66>\r\n\
         Max-Forwards: 70\r\nUser-Agent: friendly\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}
