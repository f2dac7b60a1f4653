//! The text of received pages: found by a search where the route asks for it, and never in the way of the mail.

use postfax::pages::{pdf, sample};

use crate::harness::mails::{pages_in, pictures};
use crate::harness::{A_CALL, OURS, Site, wait_until};

/// A site whose route wants its text read, by a shell script that stands for tesseract.
fn site(script: &str, seconds: u64) -> Site {
    Site::with(|config| {
        config.routes[0].ocr = true;
        config.ocr.seconds = seconds;
        let command = ["/bin/sh", "-c", script, "{input}"];
        config.ocr.command = command.map(str::to_owned).to_vec();
    })
}

/// The PDF of a fax of two pages, as it was mailed; its pictures are those that were sent.
fn pdf_of_a_fax(site: &Site) -> String {
    let tiff = site.rendered(&sample::numbered_pages(2));
    let _machine = site.fax_in(&tiff, OURS);
    wait_until("the fax in the office's inbox", A_CALL, || {
        site.office().len() == 1
    });
    let octets = site.office()[0].pdf.clone().expect("its PDF");
    let came = pdf::pictures(&octets).expect("a PDF of ours");
    assert!(came == pictures(&pages_in(&tiff)), "the pictures differ");
    String::from_utf8_lossy(&octets).into_owned()
}

#[test]
fn the_pdf_can_be_searched_where_the_route_says_so() {
    let fields = r"5\t1\t1\t1\t1\t1\t600\t900\t300\t60\t96\tPage\n";
    let site = site(&format!("printf '{fields}' > document.tsv"), 60);
    let pdf = pdf_of_a_fax(&site);
    assert_eq!(pdf.matches("BT 3 Tr").count(), 2);
    assert!(pdf.contains("<0001000200030004> Tj"), "P, a, g, e");
    assert_eq!(pdf.matches("/FontFile2").count(), 1);
}

#[test]
fn a_reader_that_hangs_keeps_no_mail_back() {
    let site = site("sleep 60", 4);
    assert!(!pdf_of_a_fax(&site).contains("/Font"));
    let log = site.log();
    let told = log.count("its text was not read within 4 s")
        + log.count("the mail goes without its text: /bin/sh: it took longer than");
    assert!(told >= 1);
}

#[test]
fn a_reader_that_is_not_there_keeps_no_mail_back() {
    let mut site = Site::prepared(|config| {
        config.routes[0].ocr = true;
        config.ocr.command[0] = "/usr/bin/no-such-reader".into();
    });
    site.write_config();
    let check = site.command(&["check"]).stdout;
    let check = String::from_utf8_lossy(&check);
    assert!(
        check.contains("WRONG  there is no /usr/bin/no-such-reader"),
        "{check}"
    );
    site.start_carrier();
    site.start();
    assert!(!pdf_of_a_fax(&site).contains("/Font"));
    let told = "the mail goes without its text: /usr/bin/no-such-reader: no process";
    assert_eq!(site.log().count(told), 2);
}
