use contracts::scheduler::Ended;
use contracts::scheduler::from_executor::Said;

use super::*;

fn key(run_id: &str) -> Key {
    Key {
        run_id: run_id.into(),
        attempt: 1,
    }
}

#[test]
fn an_attempt_is_taken_once_and_never_beyond_the_slots() {
    let shift = Shift::new(2);
    assert!(matches!(shift.take(key("a")), Taken::New(_)));
    assert!(matches!(shift.take(key("a")), Taken::Held));
    assert!(matches!(shift.take(key("b")), Taken::New(_)));
    assert!(matches!(shift.take(key("c")), Taken::Full));
    shift.part(&key("a"), Parting::Over);
    assert!(matches!(shift.take(key("c")), Taken::New(_)));
    assert_eq!(shift.holding().len(), 2);
}

#[test]
fn an_attempt_that_began_and_was_left_is_not_taken_again() {
    for (parting, again) in [
        (Parting::Forgotten, Some(Parting::Lost)),
        (Parting::Lost, Some(Parting::Lost)),
        (Parting::HandedBack, Some(Parting::HandedBack)),
        (Parting::Unbegun, None),
        (Parting::Busy(None), None),
        (Parting::Unable("no workspace".into()), None),
    ] {
        let shift = Shift::new(1);
        assert!(matches!(shift.take(key("a")), Taken::New(_)));
        shift.part(&key("a"), parting.clone());
        let taken = match shift.take(key("a")) {
            Taken::Left(again) => Some(again),
            Taken::New(_) | Taken::Held | Taken::Full => None,
        };
        assert_eq!(taken, again, "{parting:?}");
    }
}

#[test]
fn orders_only_become_harder() {
    let shift = Shift::new(1);
    let Taken::New(orders) = shift.take(key("a")) else {
        panic!("taken")
    };
    shift.stop("a", Stop::Cancel);
    shift.stop("a", Stop::Graceful);
    shift.stop("b", Stop::Kill);
    shift.fence(&key("a"));
    shift.doom(Fate::HandedBack);
    assert_eq!(
        *orders.borrow(),
        Orders {
            stop: Stop::Cancel,
            fate: Fate::Forgotten
        }
    );
}

#[tokio::test]
async fn every_parting_but_forgetting_is_said_once() {
    let shift = Shift::new(4);
    for (run, parting) in [
        ("a", Parting::Over),
        ("b", Parting::Busy(Some("p".into()))),
        ("c", Parting::HandedBack),
        ("d", Parting::Forgotten),
        ("e", Parting::Unable("no workspace".into())),
    ] {
        let _ = shift.take(key(run));
        shift.part(&key(run), parting);
    }
    shift.idle().await;
    shift.has_something_to_say().await;
    let said: Vec<_> = std::iter::from_fn(|| shift.next_to_say()).collect();
    assert_eq!(said.len(), 4);
    assert!(matches!(
        &said[1].said,
        Some(Said::Ended(Ended { busy: true, waits_for, .. })) if waits_for == "p"
    ));
    let faults = said.iter().filter_map(|it| match &it.said {
        Some(Said::HandBack(back)) => Some(back.fault.as_str()),
        Some(Said::Ended(_) | Said::Hello(_) | Said::Renew(_)) | None => None,
    });
    assert_eq!(faults.collect::<Vec<_>>(), ["", "no workspace"]);
    shift.all_said().await;
}
