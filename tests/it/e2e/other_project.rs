//! Another project's dump and WSGI folder, deployed by overrides alone.

use super::{
    lab::Lab,
    main_job,
    service::{Service, ask},
};

#[test]
fn another_dump_and_folder_need_no_edit() {
    let lab = Lab::take();
    main_job::done(&lab);
    let service = Service::on(&lab);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/e2e/shelf");
    service.scene.file(
        "other.yaml",
        &format!(
            "service_name: shelf\nrates_source: {folder}/app\npostgres_dump: {folder}/shelf.sql\n\
             rates_port: 3001\npostgres_port: 5433\nrates_check_path: /\nrates_health_path: /\n"
        ),
    );
    let other = ["-e", "@other.yaml"];
    service.deploy(&other).well();
    assert_eq!(ask(&lab.variable("lab2", "private_address"), "3001", "/"), "Emma\nWalden\n");
    let second = service.deploy(&other).well();
    assert_eq!(second.tally("changed"), 0, "{:?}", second.changed());
    service.play("teardown", &["-e", "@other.yaml", "-e", "delete_data=true"]).shows(0, &[]);
    let left = "docker ps -aq --filter name=shelf; docker volume ls -q --filter name=shelf";
    assert_eq!(lab.on("lab1", left) + &lab.on("lab2", left), "");
}
