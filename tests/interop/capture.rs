//! Everything on the wire while the cases ran, judged by tshark: nothing that we sent may be malformed.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::lab::Lab;

/// Where the capture lies, seen from the tools.
const FILE: &str = "/tmp/interop.pcap";

/// Whoever is neither one of the far ends nor in front of the router is we.
const OURS: &str = "!(ip.src == 127.255.0.0/16 || ip.src == 127.0.0.1 || ip.src == 203.0.113.9)";

/// Audio that tshark takes for T.38: of sipp's calls, which share one media port, and what was on its way while a gateway
/// made its port for audio one for T.38.
const AUDIO: &str = "(udp.length == 180 && udp.payload[0:1] == 80)";

/// What tshark remarks on that is no defect.
const HARMLESS: [&str; 3] = [
    // The daemon of a case that is over is killed, with whatever connections it has.
    "Connection reset (RST)",
    // A T.38 datagram sent twice, as the terminal wants it at the end of a page: tshark puts the page together from the
    // first, and misses it when the second comes.
    "[RECEIVED END OF FRAGMENT W/OUT ANY FRAGMENT DATA]",
    // A media port of ours that happens to be in the range of traceroute(8).
    "Possible traceroute",
];

/// A running capture.
pub struct Capture {
    lab: &'static Lab,
    process: Child,
}

impl Capture {
    /// Begins with the next packet.
    pub fn start(lab: &'static Lab) -> Capture {
        let process = lab
            .command("tools", "tshark")
            .args(["-q", "-i", "any", "-f", "udp or tcp port 5060", "-w", FILE])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chroot(8) is there");
        let file = lab.root("tools").join(&FILE[1..]);
        for _ in 0..100 {
            if file.metadata().is_ok_and(|file| file.len() > 0) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Capture { lab, process }
    }

    /// Ends it. How many packets of ours there are, or what is wrong with some of them.
    pub fn judge(mut self) -> Result<String, String> {
        // What is on its way to the file.
        std::thread::sleep(Duration::from_secs(2));
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.process),
            rustix::process::Signal::INT,
        );
        let _ = self.process.wait();
        let packets = self.ask(&["-e", "_ws.col.Protocol"], OURS);
        let mut protocols: BTreeMap<&str, usize> = BTreeMap::new();
        for protocol in packets.lines() {
            *protocols.entry(protocol).or_default() += 1;
        }
        let wrong =
            format!("{OURS} && !{AUDIO} && (_ws.malformed || _ws.expert.severity >= 0x600000)");
        let remarks = self.ask(&["-e", "frame.number", "-e", "_ws.expert.message"], &wrong);
        let mut counted: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for line in remarks.lines() {
            let (frame, remark) = line.split_once('\t').unwrap_or((line, "malformed"));
            if !is_harmless(remark) {
                counted.entry(remark).or_insert((0, frame)).0 += 1;
            }
        }
        if counted.is_empty() {
            return Ok(format!("{protocols:?}"));
        }
        let lines = counted.iter().map(|(remark, (count, first))| {
            format!("{count} times, first in packet {first}: {remark}")
        });
        Err(lines.collect::<Vec<_>>().join("; "))
    }

    fn ask(&self, fields: &[&str], filter: &str) -> String {
        let mut arguments = vec![
            "-r",
            FILE,
            "-d",
            "udp.port==5080,sip",
            "-Y",
            filter,
            "-T",
            "fields",
        ];
        arguments.extend(fields);
        self.lab.tool("tshark", &arguments)
    }
}

/// Commas stand between remarks, and within some.
fn is_harmless(remarks: &str) -> bool {
    !remarks.contains("Malformed") && HARMLESS.iter().any(|words| remarks.contains(words))
}
