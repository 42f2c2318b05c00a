//! Vaults written by Ansible's own command open here, and what is written here opens again.

use super::*;
use crate::controller::vault::Keyring;

const PLAIN: &str = "\
$ANSIBLE_VAULT;1.1;AES256\n\
37313535616261336635303831303762633931306338356232303466366230313738376235646337\n\
3236303362653733346566666539313739656335666636340a626532383138613834643534383730\n\
37396534623535396330333833306666376639333763343362643833346133666264376165363133\n\
3936376162393038300a353864643337386539663234316333303735393362333330633430356335\n\
33316438633162636137343136323134373464383132663265633464373961396234\n\
";

const WITH_ID: &str = "\
$ANSIBLE_VAULT;1.2;AES256;prod\n\
62306666373463343463333431313230613263356662343865306636386464653161633436643432\n\
3265333466613239393439313135646661383235666331610a383533376561653136333137306461\n\
38343634653230373738623134313237653135313533356332626337316639313737363865316133\n\
6663646163663762320a643133303138346165336161636233323134356566646638666137636535\n\
34313538323635323961633861336330353037323039613437353139333330363531\n\
";

const CONTENT: &[u8] = b"db_password: s3cr3t\nport: 5432\n";

fn password() -> Secret<Vec<u8>> {
    Secret::from("correct horse")
}

#[test]
fn vaults_written_by_ansible_open() {
    assert_eq!(decrypt(PLAIN, &password()).unwrap().expose(), CONTENT);
    assert_eq!(decrypt(WITH_ID, &password()).unwrap().expose(), CONTENT);
    assert_eq!((vault_id(PLAIN), vault_id(WITH_ID)), ("default", "prod"));
}

#[test]
fn every_length_comes_back_as_it_went_in() {
    for length in [0, 1, 15, 16, 17, 1000] {
        let plain = vec![7; length];
        let sealed = encrypt(&plain, &password(), Some("stage"));
        assert!(sealed.starts_with("$ANSIBLE_VAULT;1.2;AES256;stage\n"));
        assert!(sealed.lines().all(|line| line.len() <= 80));
        assert_eq!(decrypt(&sealed, &password()).unwrap().expose(), &plain);
    }
}

#[test]
fn the_same_text_is_never_sealed_the_same_way_twice() {
    assert_ne!(encrypt(b"a", &password(), None), encrypt(b"a", &password(), None));
}

#[test]
fn a_wrong_password_or_a_changed_byte_does_not_open() {
    assert!(matches!(decrypt(PLAIN, &Secret::from("x")), Err(VaultError::WrongPassword { .. })));
    // The last line is the end of the sealed text, which the digest covers.
    let mut changed = PLAIN.trim_end().to_owned();
    let last = if changed.pop() == Some('4') { '5' } else { '4' };
    changed.push(last);
    assert!(matches!(decrypt(&changed, &password()), Err(VaultError::WrongPassword { .. })));
}

#[test]
fn damaged_vaults_are_called_damaged() {
    for text in [
        "$ANSIBLE_VAULT;1.1;AES256",
        "$ANSIBLE_VAULT;1.1;AES256\nzz\n",
        "$ANSIBLE_VAULT;1.1;AES256\n616\n",
        "$ANSIBLE_VAULT;1.1;AES256\n6161\n",
        "a: 1\nb",
    ] {
        assert!(matches!(decrypt(text, &password()), Err(VaultError::Malformed(_))), "{text}");
    }
    let old = decrypt("$ANSIBLE_VAULT;1.0;AES\n6161\n", &password());
    assert!(matches!(old, Err(VaultError::Unsupported(format)) if format == "1.0;AES"));
}

#[test]
fn the_keyring_tries_every_password_and_names_them_when_none_fits() {
    let mut keys = Keyring::default();
    assert!(matches!(keys.open(WITH_ID), Err(VaultError::NoPassword(id)) if id == "prod"));
    keys.add("dev", Secret::from("a"));
    keys.add("prod", Secret::from("b"));
    let Err(error) = keys.open(WITH_ID) else { panic!("opened") };
    assert_eq!(error.to_string(), "no given password opens the vault with id `prod` (tried: prod, dev)");
    keys.add("other", password());
    assert_eq!(keys.open(WITH_ID).unwrap().expose(), CONTENT);
}
