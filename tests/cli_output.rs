//! Outputs of the command line: whose they are, where they go, and what an interruption leaves.

#![cfg(all(feature = "cli", target_os = "linux"))]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::command::{checkpoint, names, shell, tabrank, text};

const LINES: &str = "{\"text\":\"oil\"}\n{\"text\":\"the war\"}\n";
const ENCODE: &str = "\"$tabrank\" encode --model \"$model\" -o";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What `encode` writes of [`LINES`].
fn encoded() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    shell(folder.path(), &format!("{ENCODE} x")).write_stdin(LINES).assert().success();
    fs::read(folder.path().join("x")).unwrap()
}

#[test]
fn new_files_and_folders_have_the_modes_of_any_new_one() {
    let folder = tempfile::tempdir().unwrap();
    for (umask, file, inner) in [("022", 0o644, 0o755), ("077", 0o600, 0o700)] {
        let convert = format!("\"$tabrank\" convert \"$model\" --dtype q8 -o bundle-{umask}");
        let line = format!("umask {umask}; {ENCODE} x-{umask} && {convert}");
        shell(folder.path(), &line).write_stdin(LINES).assert().success();
        assert_eq!(mode(&folder.path().join(format!("x-{umask}"))), file);
        let bundle = folder.path().join(format!("bundle-{umask}"));
        assert_eq!([mode(&bundle), mode(&bundle.join("1_Dense"))], [inner, inner]);
        for name in names(&bundle).iter().filter(|name| *name != "1_Dense") {
            assert_eq!(mode(&bundle.join(name)), file, "{name}");
        }
    }
}

#[test]
fn a_file_that_is_there_keeps_its_mode_and_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x");
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    // Only root may give files away; others find their own.
    let _ = std::os::unix::fs::chown(&file, Some(4321), Some(4321));
    let old = fs::metadata(&file).unwrap();
    shell(folder.path(), &format!("{ENCODE} x")).write_stdin(LINES).assert().success();
    let new = fs::metadata(&file).unwrap();
    assert_eq!((new.mode(), new.uid(), new.gid()), (old.mode(), old.uid(), old.gid()));
    assert_eq!(fs::read(&file).unwrap(), encoded());
}

/// The very folder: who works in it still does, and it may be a disk of its own.
#[test]
fn an_empty_folder_is_filled() {
    let folder = tempfile::tempdir().unwrap();
    let convert = "\"$tabrank\" convert \"$model\" --dtype q8 -o";
    let cases = [
        ("plain", format!("{convert} plain")),
        ("here", format!("cd here && {convert} . && \"$tabrank\" verify .")),
        ("linked", format!("ln -s linked link && {convert} link")),
    ];
    for (name, line) in cases {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o2750)).unwrap();
        let _ = std::os::unix::fs::chown(&path, Some(4321), Some(4321));
        let id = || {
            let metadata = fs::metadata(&path).unwrap();
            [
                metadata.dev(),
                metadata.ino(),
                metadata.mode().into(),
                metadata.uid().into(),
                metadata.gid().into(),
            ]
        };
        let before = id();
        shell(folder.path(), &line).assert().success();
        assert_eq!(id(), before, "{name}");
        tabrank(&["verify", &path.display().to_string()]).assert().success();
        assert!(!names(&path).iter().any(|name| name.starts_with('.')), "{name}");
    }
}

/// Or so that it is no bundle, where a process is killed.
#[test]
fn an_empty_folder_is_left_empty_or_filled() {
    let (folder, model) = (tempfile::tempdir().unwrap(), checkpoint("pylate"));
    let bundle = folder.path().join("bundle");
    fs::create_dir(&bundle).unwrap();
    fs::write(folder.path().join("texts"), "").unwrap();
    let convert = ["convert", &model, "--dtype", "f32", "-o", "bundle"];
    let begin = Instant::now();
    assert!(start(folder.path(), &convert).wait().unwrap().success());
    let (whole, expected) = (begin.elapsed(), names(&bundle));
    for (signal, moment) in
        ["-INT", "-KILL"].iter().flat_map(|signal| (0..6).map(move |moment| (signal, moment)))
    {
        fs::remove_dir_all(&bundle).unwrap();
        fs::create_dir(&bundle).unwrap();
        interrupt(start(folder.path(), &convert), signal, whole, 0.2 * f64::from(moment));
        let mut left = names(&bundle);
        let is_none = match *signal {
            "-INT" => left.is_empty(),
            _ => !left.contains(&"tabrank.json".to_owned()),
        };
        // A killed run has not taken away what it worked in, also when all of its files are in their places.
        if *signal == "-KILL" {
            left.retain(|name| !name.starts_with(".tabrank-"));
        }
        assert!(left == expected || is_none, "{signal}: {left:?}");
    }
    // What a killed run has left in it does not count, and goes.
    fs::remove_dir_all(&bundle).unwrap();
    fs::create_dir_all(bundle.join(".tabrank-aaaaaa/output")).unwrap();
    fs::write(bundle.join(".tabrank-aaaaaa/lock"), "").unwrap();
    assert!(start(folder.path(), &convert).wait().unwrap().success());
    assert_eq!(names(&bundle), expected);
}

#[test]
fn a_bundle_is_never_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let convert = "\"$tabrank\" convert \"$model\" --dtype q8 -o";
    let assert = shell(folder.path(), &format!("{convert} -")).assert().code(2);
    let error = text(&assert.get_output().stderr);
    assert!(error.contains("a bundle is a folder, and - is stdout"), "{error}");
    assert!(names(folder.path()).is_empty());
    shell(folder.path(), &format!("{convert} ./-")).assert().success();
    assert_eq!(names(folder.path()), ["-"]);
}

#[test]
fn links_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("there")).unwrap();
    fs::write(path("there/old"), "old").unwrap();
    for (link, target) in
        [("a", "there/old"), ("b", "a"), ("c", "there/new"), ("d", "there/folder")]
    {
        symlink(target, path(link)).unwrap();
    }
    for name in ["b", "c"] {
        shell(folder.path(), &format!("{ENCODE} {name}")).write_stdin(LINES).assert().success();
    }
    let convert = "\"$tabrank\" convert \"$model\" --dtype q8 -o d";
    shell(folder.path(), convert).assert().success();
    for link in ["a", "b", "c", "d"] {
        assert!(path(link).is_symlink(), "{link}");
    }
    assert_eq!(names(&path("there")), ["folder", "new", "old"]);
    assert_eq!(fs::read(path("there/old")).unwrap(), encoded());
    assert!(path("there/folder/tabrank.json").is_file());
}

#[test]
fn pipes_devices_and_stdout_are_written_into() {
    let (folder, expected) = (tempfile::tempdir().unwrap(), encoded());
    let run = |line: &str| {
        let assert = shell(folder.path(), line).write_stdin(LINES).assert().success();
        assert.get_output().stdout.clone()
    };
    assert_eq!(run(&format!("{ENCODE} -")), expected);
    assert_eq!(run(&format!("{ENCODE} /dev/stdout")), expected);
    assert_eq!(run(&format!("mkfifo pipe; cat pipe & {ENCODE} pipe; wait")), expected);
    assert!(run(&format!("{ENCODE} /dev/null")).is_empty());
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    // A file that stdout already is: its name stays with it.
    run(&format!("(printf before; {ENCODE} /dev/stdout; printf behind) > file"));
    let whole = [b"before".as_slice(), &expected, b"behind"].concat();
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), whole);
    assert_eq!(names(folder.path()), ["file", "pipe"]);
}

#[test]
fn a_failed_write_names_the_output_and_leaves_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x"), "old").unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    // A limit on the size of files stands in for a full disk.
    let full = "trap '' XFSZ; ulimit -f 1;";
    let convert = "\"$tabrank\" convert \"$model\" --dtype q8 -o";
    let cases = [
        (format!("{full} {ENCODE} x"), "x"),
        (format!("{full} {convert} bundle"), "bundle"),
        (format!("{ENCODE} /dev/full"), "/dev/full"),
        (format!("{ENCODE} no/such/folder"), "no/such/folder"),
        (format!("{convert} no/such/folder"), "no/such/folder"),
        (format!("{ENCODE} folder"), "folder"),
        (format!("{ENCODE} /proc/x"), "/proc/x"),
        (format!("{convert} /proc/x"), "/proc/x"),
        (format!("{convert} /dev/null"), "/dev/null"),
        (format!("{ENCODE} - > /dev/full"), "stdout"),
        ("\"$tabrank\" rerank --model \"$model\" --query oil > /dev/full".to_owned(), "stdout"),
        ("\"$tabrank\" inspect \"$model\" > /dev/full".to_owned(), "stdout"),
        ("\"$tabrank\" verify \"$model\" > /dev/full".to_owned(), "stdout"),
    ];
    for (line, name) in cases {
        let assert = shell(folder.path(), &line).write_stdin(LINES.repeat(40)).assert().code(74);
        let error = text(&assert.get_output().stderr);
        assert!(error.contains(&format!("cannot write {name}: ")), "{line}: {error}");
        assert!(!error.contains(".tabrank-") && !error.contains(".tmp"), "{line}: {error}");
    }
    assert_eq!(names(folder.path()), ["folder", "x"]);
    assert_eq!(fs::read_to_string(folder.path().join("x")).unwrap(), "old");
}

#[test]
fn an_output_never_destroys_what_it_is_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("texts"), LINES).unwrap();
    symlink("texts", path("link")).unwrap();
    fs::create_dir(path("model")).unwrap();
    let copy = "cp -r \"$model/.\" model && ";
    let weights = "model/model.safetensors";
    let cases = [
        (format!("{ENCODE} texts < texts"), "is the input"),
        (format!("{ENCODE} link < texts"), "is the input"),
        (
            format!("{copy} \"$tabrank\" encode --model model -o {weights} < texts"),
            "model's folder",
        ),
        ("\"$tabrank\" convert model --dtype q8 -o model".to_owned(), "the checkpoint itself"),
        ("\"$tabrank\" convert model --dtype q8 -o .".to_owned(), "is not empty"),
    ];
    for (line, reason) in cases {
        let error = text(&shell(folder.path(), &line).assert().code(74).get_output().stderr);
        assert!(error.contains(reason), "{line}: {error}");
    }
    assert_eq!(fs::read_to_string(path("texts")).unwrap(), LINES);
    shell(folder.path(), "\"$tabrank\" verify model").assert().success();
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("texts"), LINES.repeat(2000)).unwrap();
    let rerank = "\"$tabrank\" rerank --model \"$model\" --query oil < texts";
    let inspect = "\"$tabrank\" inspect --json \"$model\"";
    for command in [rerank, inspect, &format!("{ENCODE} - < texts")] {
        let line = format!("({command} 2> errors; echo $? > code) | head -c 1");
        shell(folder.path(), &line).assert().success();
        assert_eq!(fs::read_to_string(folder.path().join("code")).unwrap(), "0\n", "{command}");
        let errors = fs::read_to_string(folder.path().join("errors")).unwrap();
        assert!(!errors.contains("cannot") && !errors.contains("panic"), "{errors}");
    }
    // Nor does it matter that nobody reads what is said.
    let line = format!("({rerank} 2>&1 > out; echo $? > code) | true");
    shell(folder.path(), &line).assert().success();
    assert_eq!(fs::read_to_string(folder.path().join("code")).unwrap(), "0\n");
}

/// Starts a command over an output of its own, with the signals' default actions.
fn start(folder: &Path, arguments: &[&str]) -> Child {
    Command::new("env")
        .args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_tabrank")])
        .args(arguments)
        .current_dir(folder)
        .stdin(fs::File::open(folder.join("texts")).unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Sends a signal at a moment of a run that would take `whole`; answers the exit code, if it has one.
fn interrupt(mut child: Child, signal: &str, whole: Duration, part: f64) -> Option<i32> {
    std::thread::sleep(whole.mul_f64(part));
    let _ =
        Command::new("kill").args([signal, &child.id().to_string()]).stderr(Stdio::null()).status();
    child.wait().unwrap().code()
}

/// `encode` and `convert` stopped at moments from their start to their end: an output is the old one, or whole.
fn stop_at(moments: u32, signal: &str, mut each: impl FnMut(&Path, Option<i32>)) {
    let folder = tempfile::tempdir().unwrap();
    let (texts, old) = (folder.path().join("texts"), folder.path().join("x"));
    fs::write(&texts, LINES).unwrap();
    let (model, expected) = (checkpoint("pylate"), encoded());
    let encode = ["encode", "--model", &model, "-o", "x"];
    let convert = ["convert", &model, "--dtype", "f32", "-o", "bundle"];
    // The second takes longer.
    for (arguments, moments) in [(&encode[..], moments * 4 / 5), (&convert[..], moments / 5)] {
        fs::write(&old, "old").unwrap();
        let begin = Instant::now();
        assert!(start(folder.path(), arguments).wait().unwrap().success());
        let whole = begin.elapsed();
        for moment in 0..moments {
            fs::write(&old, "old").unwrap();
            let _ = fs::remove_dir_all(folder.path().join("bundle"));
            let child = start(folder.path(), arguments);
            let code =
                interrupt(child, signal, whole, 1.1 * f64::from(moment) / f64::from(moments));
            let found = fs::read(&old).unwrap();
            assert!(found == b"old" || found == expected, "{} bytes", found.len());
            if folder.path().join("bundle").exists() {
                let bundle = folder.path().join("bundle").display().to_string();
                tabrank(&["verify", &bundle]).assert().success();
            }
            each(folder.path(), code);
        }
    }
    // What a killed run has left goes with the next.
    let _ = fs::remove_dir_all(folder.path().join("bundle"));
    assert!(start(folder.path(), &convert).wait().unwrap().success());
    assert_eq!(names(folder.path()), ["bundle", "texts", "x"]);
}

#[test]
fn a_killed_run_leaves_no_partial_output() {
    stop_at(100, "-KILL", |_, _| {});
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    stop_at(50, "-INT", |folder, code| {
        // None: before there was anything to remove.
        assert!([Some(0), Some(130), None].contains(&code), "{code:?}");
        let left = names(folder);
        let known = |name: &String| ["bundle", "texts", "x"].contains(&name.as_str());
        assert!(left.iter().all(known), "{left:?}");
    });
}

#[test]
fn an_interrupted_run_ends_with_130() {
    let (folder, model) = (tempfile::tempdir().unwrap(), checkpoint("pylate"));
    // A pipe that nobody writes into: it waits for its texts.
    shell(folder.path(), "mkfifo texts").assert().success();
    let pipe = folder.path().join("texts");
    let _writer = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let child = start(folder.path(), &["rerank", "--model", &model, "--query", "oil"]);
        while !catches_interrupts(child.id()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(interrupt(child, signal, Duration::ZERO, 0.0), Some(code));
    }
}

/// Whether a process does something of its own at Ctrl-C.
fn catches_interrupts(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() & 2 != 0
}

#[test]
fn what_another_run_is_making_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let work = |name: &str| {
        let work = folder.path().join(name);
        fs::create_dir(&work).unwrap();
        work
    };
    let (running, killed) = (work(".tabrank-aaaaaa"), work(".tabrank-bbbbbb"));
    work(".tabrank-cccccc");
    fs::write(work(".tabrank-dddddd").join("mine"), "").unwrap();
    work(".tabrank-settings");
    let lock = fs::File::create(running.join("lock")).unwrap();
    lock.lock().unwrap();
    fs::write(killed.join("lock"), "").unwrap();
    fs::write(killed.join("output"), "half").unwrap();
    shell(folder.path(), &format!("{ENCODE} x")).write_stdin(LINES).assert().success();
    let left = names(folder.path());
    assert_eq!(left, [".tabrank-aaaaaa", ".tabrank-dddddd", ".tabrank-settings", "x"]);
}
