//! What the files hold, over starts, crashes and a disk that takes nothing.

use contracts::message::{ActivityBatch, Message as _, Topic};

use super::*;

fn numbered(number: u32) -> Post {
    let payload = format!("{{\"n\":{number},\"text\":\"a\\nb{}\"}}", "x".repeat(1000));
    Post {
        topic: Topic::Activity,
        key: "run".into(),
        id: format!("run/1/{number}"),
        kind: ActivityBatch::TYPE.into(),
        time_ms: 7,
        traceparent: None,
        payload: payload.into(),
        headers: Vec::new(),
    }
}

fn append(spool: &mut Spool, number: u32) -> bool {
    spool.append(&numbered(number), Room::Limited).is_some()
}

fn drained(spool: &mut Spool) -> Vec<Post> {
    let mut posts = Vec::new();
    while spool.unread() > 0 {
        let oldest = spool.oldest(10_000).unwrap();
        spool.published(&oldest);
        posts.extend(oldest.posts);
    }
    posts
}

#[test]
fn messages_come_back_in_order_over_files_and_starts() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
    for number in 0..5000 {
        assert!(append(&mut spool, number));
    }
    let first = spool.oldest(1).unwrap();
    assert_eq!(first.posts, [numbered(0)]);
    spool.published(&first);
    drop(spool);
    let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
    assert!(append(&mut spool, 5000));
    let posts = drained(&mut spool);
    // The first one again: how far it was published isn't kept.
    assert_eq!(posts, (0..=5000).map(numbered).collect::<Vec<_>>());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(append(&mut spool, 1));
    assert_eq!(drained(&mut spool), [numbered(1)]);
}

#[test]
fn it_takes_no_more_than_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 5000).unwrap();
    let taken = (0..100)
        .take_while(|number| append(&mut spool, *number))
        .count();
    assert_eq!(taken, 4);
    assert!(spool.bytes() <= 5000);
    assert_eq!(drained(&mut spool).len(), 4);
    assert!(append(&mut spool, 1));
}

#[test]
fn half_a_message_at_the_end_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
    append(&mut spool, 0);
    append(&mut spool, 1);
    let path = spool.files[0].path.clone();
    let bytes = spool.bytes();
    drop(spool);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(bytes - 10)
        .unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
    append(&mut spool, 2);
    assert_eq!(drained(&mut spool), [numbered(0), numbered(2)]);
}

#[test]
fn what_is_published_from_elsewhere_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 5000).unwrap();
    let append = |number| spool.append(&numbered(number), Room::Beyond).unwrap();
    // Two files.
    let lengths: Vec<_> = (0..5000).map(append).collect();
    assert!(spool.is_overdrawn() && spool.append(&numbered(1), Room::Limited).is_none());
    for (number, length) in (0..4998).zip(lengths) {
        spool.skip(length);
        if number % 100 == 0 {
            assert_eq!(spool.oldest(1).unwrap().posts, [numbered(number + 1)]);
        }
    }
    assert_eq!(drained(&mut spool), [numbered(4998), numbered(4999)]);
    assert_eq!(spool.bytes(), 0);
}

#[test]
fn a_disk_that_takes_nothing_for_a_while_garbles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool");
    let mut spool = Spool::open(&path, 1 << 20).unwrap();
    fs::remove_dir(&path).unwrap();
    assert!(!append(&mut spool, 0) && !append(&mut spool, 0));
    assert!(spool.is_stuck);
    fs::create_dir(&path).unwrap();
    assert!(append(&mut spool, 1));
    // As a write leaves it that went half-way.
    let file = spool.writer.as_ref().unwrap();
    file.write_all_at(&[b'x'; 2000], spool.bytes()).unwrap();
    assert!(append(&mut spool, 2) && !spool.is_stuck);
    assert_eq!(drained(&mut spool), [numbered(1), numbered(2)]);
}
