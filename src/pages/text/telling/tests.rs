use super::*;

fn says(text: &str) -> Option<LeftOut> {
    let lines: Vec<Line> = text.lines().map(Line::plain).collect();
    left_out(&lines, true, "Erika Clerk <e.clerk@example.com>")
}

#[test]
fn a_signature_or_a_word_about_the_attachment_is_no_page() {
    for text in [
        "See attached.",
        "Hi,\n\nplease see attached.\n\nKind regards,\nJane Doe\nDoe & Partners\n+1 202 555 0123",
        "Dear Sirs,\nPlease find enclosed the signed contract.\n\nBest regards\nJ. Doe",
        "-- \nJane Doe\nPartner",
        "PFA the attached invoice. Thanks!",
        "Sehr geehrte Damen und Herren,\n\nanbei die Rechnung.\n\nMit freundlichen Gr\u{fc}\u{df}en\nErika Muster",
        "Bonjour,\nci-joint le contrat.\nCordialement,\nJeanne",
        "Sent from my iPhone",
        "Attached.\n\nThis e-mail is confidential and meant for the intended recipient only. If you are not, delete it.",
        "FYI",
        "Please see attached.\n\nclerk",
        "Please see attached.\n\nThanks,\nJane Doe, M.D.\n12 Main Street\n10115 Berlin\nTel. 030 123456\njane@example.com",
    ] {
        assert_eq!(says(text), Some(LeftOut::SaysNothing), "{text}");
    }
}

#[test]
fn what_says_something_is_a_page() {
    for text in [
        "We cancel our order no. 4711 as of today.",
        "Hi,\n\nplease see attached. The second page must be signed and faxed back by Friday noon.\n\nJane",
        "Patient 12345",
        "Hello, the court hearing was moved to Monday. Regards, Jane",
        "Please deliver ten boxes\n\nThanks\nJane",
        "Thanks!\n\nThe order: ten boxes of the usual paper, to be delivered to the side entrance on Monday before nine in the morning please",
        "Sehr geehrte Frau Muster,\nhiermit k\u{fc}ndige ich den Vertrag zum 31.12.",
        "Please call Mrs Miller on 555 1212 about the enclosed.",
        "See attached.\n\nThanks\nPlease call me before five.",
        "See attached.\n\nThanks\nCall 555 1212",
        "See attached.\n\nRegards\nJane\n\nP.S. The hearing is on Monday.",
        "See attached.\n-- \nPlease stop the treatment.",
        "Approved",
        "Hello cancel order",
        "Best offer is four hundred",
        "This is confidential: the test was positive.",
        "This fax may be confidential and is for the intended recipient. Please call Mrs Miller on 555 1212.",
        "Is the contract attached?",
        "The attached contract is signed.",
        "Please send the attached form to the records office.",
    ] {
        assert_eq!(says(text), None, "{text}");
    }
}

#[test]
fn a_blank_text_is_never_a_page() {
    for text in ["", " \n\u{a0}\n", "\u{200b}\u{200c}\n\u{feff}"] {
        let lines: Vec<Line> = text.lines().map(Line::plain).collect();
        assert_eq!(left_out(&lines, false, ""), Some(LeftOut::Blank));
    }
    let lines = [Line::plain("See attached.")];
    assert_eq!(left_out(&lines, false, ""), None);
}

/// Mails of one to three sentences: those with something to say, then those without.
const MAILS: [(&str, [&str; 16], [&str; 16]); 5] = [
    (
        "English",
        [
            "Please call Mrs Miller on 555 1212 about the enclosed.",
            "Please see attached. The dose was changed to 5 mg twice a day.",
            "Attached is the contract. Sign page 3 only.",
            "The attached invoice was already paid on Monday.",
            "Ignore the attached quote, the price is now 400 dollars.",
            "Please find attached the lease. We need it back by Friday noon.",
            "See attachment. The patient is allergic to penicillin.",
            "Enclosed the order. Deliver to the side entrance.",
            "Hi Tom,\nattached the plan. Approved.",
            "Please find enclosed our offer, valid until 31 May.",
            "The enclosed form replaces the one from last week.",
            "Attached as requested. Mr Jones will not attend the hearing.",
            "Please confirm receipt of the attached documents.",
            "Attachment 2 is missing and follows tomorrow.",
            "Please see the attached and ring me back.",
            "Kindly return the enclosed form to Dr Brown.",
        ],
        [
            "Please see attached.",
            "Please find attached the invoice.",
            "Hi Tom,\n\nplease find attached the signed agreement as discussed.\n\nBest regards,\nJane",
            "Attached please find our order.",
            "As requested, I am sending you the attached documents. Thank you.",
            "Dear Sir or Madam,\nenclosed please find the requested records.\nYours sincerely\nJ. Smith",
            "See attachment. Thanks!",
            "The contract is attached.",
            "Hello,\nI have attached the completed form. Please let me know if you have any questions.\nKind regards\nTom Brown",
            "Enclosed is a copy of the report for your records.",
            "Please refer to the attached letter.",
            "Good morning,\n\nattached is the updated quotation.\n\nThanks,\nAnn",
            "FYI, see the attached file.",
            "Attached are the scanned pages. Have a nice day!",
            "We enclose the statement you requested.",
            "Herewith the certificate.",
        ],
    ),
    (
        "German",
        [
            "Bitte rufen Sie Frau M\u{fc}ller unter 555 1212 wegen der Anlage an.",
            "Anbei die Rechnung. Bitte bis Freitag bezahlen.",
            "Siehe Anhang. Die Dosis betr\u{e4}gt 5 mg.",
            "Anbei der Vertrag, bitte nur Seite 3 unterschreiben.",
            "Die beigef\u{fc}gte Rechnung ist bereits bezahlt.",
            "Anlage 2 fehlt noch und folgt morgen.",
            "Anbei das Rezept. Der Patient ist gegen Penicillin allergisch.",
            "Bitte senden Sie die Anlage unterschrieben zur\u{fc}ck.",
            "Anbei der Auftrag. Lieferung an den Seiteneingang.",
            "Sehr geehrte Frau Muster,\nanbei der Plan. Genehmigt.",
            "Die Anlage ersetzt die Fassung vom letzten Mittwoch.",
            "Anbei unser Angebot, g\u{fc}ltig bis 31. Mai.",
            "Anbei wie besprochen. Herr Schulz kommt nicht zum Termin.",
            "Bitte best\u{e4}tigen Sie den Erhalt der Anlage.",
            "Bitte schicken Sie die Anlage an das Archiv.",
            "Anbei der Befund, dringend!",
        ],
        [
            "Siehe Anhang.",
            "Anbei die Rechnung.",
            "Sehr geehrte Damen und Herren,\n\nanbei erhalten Sie die angeforderten Unterlagen.\n\nMit freundlichen Gr\u{fc}\u{df}en\nErika Muster",
            "Anbei der unterschriebene Vertrag, vielen Dank.",
            "Hallo Herr Schmidt,\nwie besprochen sende ich Ihnen anbei das Formular.\nViele Gr\u{fc}\u{df}e\nJan Peters",
            "Im Anhang finden Sie unser Angebot.",
            "Anbei wie gew\u{fc}nscht.",
            "Bitte siehe Anlage. Danke!",
            "Guten Tag,\nbeigef\u{fc}gt \u{fc}bersenden wir Ihnen die Kopie des Berichts. F\u{fc}r R\u{fc}ckfragen stehe ich Ihnen gerne zur Verf\u{fc}gung.\nFreundliche Gr\u{fc}\u{df}e\nM. Weber",
            "Die Bestellung ist als Anlage beigef\u{fc}gt.",
            "Liebe Kollegen,\nanbei der Befundbericht zur Kenntnisnahme.\nMfG\nDr. Klein",
            "In der Anlage \u{fc}bersende ich Ihnen die Unterlagen wie telefonisch besprochen.",
            "Anliegend unser Auftrag.",
            "Der Vertrag befindet sich im Anhang.",
            "Hiermit \u{fc}bersenden wir Ihnen beiliegend die Rechnung.",
            "Anbei der Lieferschein zu Ihrer Kenntnis. Sch\u{f6}nen Tag noch!",
        ],
    ),
    (
        "French",
        [
            "Veuillez appeler Mme Martin au 01 55 12 12 au sujet du document ci-joint.",
            "Ci-joint la facture. Merci de payer avant vendredi.",
            "Voir pi\u{e8}ce jointe. La dose est de 5 mg.",
            "Ci-joint le contrat, signez seulement la page 3.",
            "La facture ci-jointe est d\u{e9}j\u{e0} r\u{e9}gl\u{e9}e.",
            "L'annexe 2 manque et suivra demain.",
            "Ci-joint l'ordonnance. Le patient est allergique \u{e0} la p\u{e9}nicilline.",
            "Veuillez transmettre le document ci-joint au service comptable.",
            "Ci-joint la commande. Livraison \u{e0} l'entr\u{e9}e lat\u{e9}rale.",
            "Bonjour Madame,\nci-joint le plan. Approuv\u{e9}.",
            "Le document joint remplace celui de mercredi.",
            "Ci-joint notre offre, valable jusqu'au 31 mai.",
            "Ci-joint comme convenu. M. Dupont ne viendra pas.",
            "Merci de confirmer la r\u{e9}ception de la pi\u{e8}ce jointe.",
            "Merci de renvoyer le formulaire joint.",
            "Ci-joint le rapport, urgent !",
        ],
        [
            "Voir pi\u{e8}ce jointe.",
            "Ci-joint la facture.",
            "Bonjour,\n\nveuillez trouver ci-joint le document demand\u{e9}.\n\nCordialement,\nJeanne Martin",
            "Vous trouverez ci-joint notre devis.",
            "Madame, Monsieur,\nje vous prie de trouver ci-joint le contrat sign\u{e9}.\nSalutations distingu\u{e9}es\nP. Durand",
            "Ci-joint comme convenu.",
            "Je vous envoie ci-joint le formulaire rempli. Merci.",
            "Veuillez trouver en annexe les documents.",
            "Bonjour Madame Petit,\ncomme demand\u{e9}, je vous transmets en pi\u{e8}ce jointe la copie du dossier.\nBien cordialement\nLuc",
            "Ci-joint le rapport pour information.",
            "Le contrat est en pi\u{e8}ce jointe.",
            "Merci de trouver ci-joint notre commande. Bonne journ\u{e9}e.",
            "Nous vous adressons ci-joint l'attestation. Nous restons \u{e0} votre disposition.",
            "Pi\u{e8}ces jointes : facture et bon de commande.",
            "Bonjour \u{e0} tous,\nci-joint le compte rendu.\nCdt\nAnne",
            "Suite \u{e0} notre conversation, veuillez trouver ci-joint l'accord.",
        ],
    ),
    (
        "Spanish",
        [
            "Por favor, llame a la Sra. Moreno al 555 1212 sobre el adjunto.",
            "Adjunto la factura. P\u{e1}guela antes del viernes.",
            "Ver adjunto. La dosis es de 5 mg.",
            "Adjunto el contrato, firme solo la p\u{e1}gina 3.",
            "La factura adjunta ya est\u{e1} pagada.",
            "Falta el anexo 2, lo enviamos ma\u{f1}ana.",
            "Adjunto la receta. El paciente es al\u{e9}rgico a la penicilina.",
            "Por favor enviar el formulario adjunto a contabilidad.",
            "Adjunto el pedido. Entregar por la puerta lateral.",
            "Hola Luis,\nadjunto el plan. Aprobado.",
            "El documento adjunto sustituye al del mi\u{e9}rcoles.",
            "Adjunto nuestra oferta, v\u{e1}lida hasta el 31 de mayo.",
            "Adjunto lo acordado. El Sr. Ruiz no vendr\u{e1}.",
            "Por favor confirme la recepci\u{f3}n del adjunto.",
            "Devuelva el formulario adjunto firmado.",
            "Adjunto el informe, urgente.",
        ],
        [
            "Ver adjunto.",
            "Adjunto la factura.",
            "Estimados se\u{f1}ores:\n\nadjunto les env\u{ed}o el contrato firmado.\n\nSaludos cordiales,\nMar\u{ed}a P\u{e9}rez",
            "Adjunto encontrar\u{e1} los documentos solicitados.",
            "Buenos d\u{ed}as,\nle adjunto el formulario cumplimentado. Gracias.",
            "Se adjunta el informe.",
            "Por favor, vea el archivo adjunto.",
            "Le env\u{ed}o adjunta la copia del certificado seg\u{fa}n lo acordado.",
            "Hola Ana,\nte env\u{ed}o adjunto el presupuesto.\nUn saludo\nJorge",
            "Adjuntamos nuestro pedido. Quedo a su disposici\u{f3}n.",
            "En archivo adjunto encontrar\u{e1} la carta.",
            "Estimada Sra. L\u{f3}pez,\nadjunto remito la documentaci\u{f3}n.\nAtentamente\nC. Ruiz",
            "Como solicitado, adjunto la receta. Muchas gracias.",
            "El contrato est\u{e1} adjunto.",
            "Adjunto para su conocimiento.",
            "Anexo los documentos para su informaci\u{f3}n. Que tenga un buen d\u{ed}a.",
        ],
    ),
    (
        "Italian",
        [
            "Chiami la signora Bianchi al 555 1212 per l'allegato.",
            "In allegato la fattura. Pagare entro venerd\u{ec}.",
            "Vedi allegato. La dose \u{e8} di 5 mg.",
            "Allego il contratto, firmi solo la pagina 3.",
            "La fattura allegata \u{e8} gi\u{e0} stata pagata.",
            "Manca l'allegato 2, arriva domani.",
            "In allegato la ricetta. Il paziente \u{e8} allergico alla penicillina.",
            "Per favore inviare il modulo allegato alla contabilit\u{e0}.",
            "In allegato l'ordine. Consegna all'ingresso laterale.",
            "Buongiorno Luca,\nin allegato il piano. Approvato.",
            "Il documento allegato sostituisce quello di mercoled\u{ec}.",
            "In allegato la nostra offerta, valida fino al 31 maggio.",
            "Allego quanto richiesto. Il signor Rossi non verr\u{e0}.",
            "Si prega di confermare la ricezione dell'allegato.",
            "Restituisca il modulo allegato.",
            "In allegato il referto, urgente.",
        ],
        [
            "Vedi allegato.",
            "In allegato la fattura.",
            "Buongiorno,\n\nin allegato trovate il contratto firmato.\n\nCordiali saluti,\nMario Rossi",
            "Allego la documentazione richiesta.",
            "Gentile signora Bianchi,\nle invio in allegato il modulo compilato.\nDistinti saluti\nG. Verdi",
            "In allegato come da accordi.",
            "Si allega copia del certificato.",
            "Come richiesto, invio in allegato il preventivo. Grazie.",
            "Trover\u{e0} in allegato la nostra offerta.",
            "Buongiorno a tutti,\nallego la relazione per conoscenza.\nSaluti\nAnna",
            "Il referto \u{e8} in allegato.",
            "Alleghiamo l'ordine. Restiamo a disposizione per qualsiasi chiarimento.",
            "In allegato quanto richiesto. Buona giornata.",
            "Spett.le ditta,\nin allegato trasmettiamo i documenti.\nCordialmente\nP. Neri",
            "Invio allegata la lettera. Grazie mille.",
            "Vi inoltro in allegato la ricevuta.",
        ],
    ),
];

#[test]
fn no_mail_with_something_to_say_is_left_out_and_nine_in_ten_of_the_others_are() {
    let mut wrong = Vec::new();
    for (language, telling, empty) in MAILS {
        for text in telling {
            if says(text).is_some() {
                wrong.push(format!("{language}, dropped: {text:?}"));
            }
        }
        let faxed: Vec<&str> = empty
            .into_iter()
            .filter(|text| says(text).is_none())
            .collect();
        println!(
            "RESULT body language={language} empty={} left_out={}",
            empty.len(),
            empty.len() - faxed.len()
        );
        if faxed.len() * 10 > empty.len() {
            wrong.push(format!("{language}, faxed: {faxed:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
