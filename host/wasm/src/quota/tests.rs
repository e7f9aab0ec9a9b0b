//! Calls that wait, and what is known after a restart.

use super::*;

fn user() -> User {
    User { organisation: "org".into(), connection: "con".into(), plugin: "source-x@1.0.0".into(), stream: None }
}

async fn acquire(budget: &Arc<InstanceBudget>, deadline: Instant) -> Result<Permit, Fault> {
    budget.acquire(&user(), Priority::Streaming, deadline).await
}

#[tokio::test]
async fn what_cannot_be_in_time_is_said_at_once() {
    let window = InstanceBudget::new(&[Rate::window(1, 80_000)]);
    let mut permit = acquire(&window, Instant::now()).await.unwrap();
    permit.answered();
    drop(permit);
    let fault = acquire(&window, Instant::now()).await.map(drop).unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::RateLimited, "rate.window"));
    assert!(fault.retry_after_ms.is_some_and(|ms| ms > 70_000_000), "{fault:?}");
    let at_once = InstanceBudget::new(&[Rate::concurrent(1)]);
    let mut running = acquire(&at_once, Instant::now()).await.unwrap();
    assert_eq!(acquire(&at_once, Instant::now()).await.map(drop).unwrap_err().code, "rate.concurrent");
    let waiting = tokio::spawn({
        let budget = at_once.clone();
        async move { acquire(&budget, Instant::now() + Duration::from_secs(3_600)).await.map(drop) }
    });
    tokio::task::yield_now().await;
    running.answered();
    drop(running);
    assert_eq!(waiting.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_window_opens_again_and_a_spent_day_says_when() {
    let day = Rate::Day { calls: Some(3), resets: "rolling".into(), told_by: None, refused_by: Vec::new() };
    let budget = InstanceBudget::new(&[Rate::window(1, 1), day]);
    let began = Instant::now();
    for _ in 0..3 {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut permit = acquire(&budget, deadline).await.unwrap();
        permit.answered();
    }
    assert!(began.elapsed() >= Duration::from_secs(2));
    let fault = acquire(&budget, Instant::now() + Duration::from_secs(3_600)).await.map(drop).unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Quota, "quota.day"));
    assert!(fault.retry_after_ms.is_some_and(|ms| ms > 80_000_000), "{fault:?}");
    assert_eq!(budget.shown().unwrap().users["con"], 3);
}

#[tokio::test]
async fn a_call_that_is_cut_off_while_it_waits_leaves_the_queue() {
    let budget = InstanceBudget::new(&[Rate::concurrent(1)]);
    let mut running = acquire(&budget, Instant::now()).await.unwrap();
    let patient = tokio::spawn({
        let budget = budget.clone();
        async move { acquire(&budget, Instant::now() + Duration::from_secs(3_600)).await.map(drop) }
    });
    tokio::task::yield_now().await;
    let waiting = |budget: &InstanceBudget| budget.shown().unwrap().waiting[&Priority::Streaming];
    assert_eq!(waiting(&budget), 1);
    patient.abort();
    assert!(patient.await.unwrap_err().is_cancelled());
    assert_eq!(waiting(&budget), 0);
    running.answered();
    drop(running);
    assert!(acquire(&budget, Instant::now()).await.is_ok());
}

#[derive(Default)]
struct Shelf {
    kept: Mutex<Option<Kept>>,
    times: Mutex<u32>,
}

#[async_trait]
impl QuotaStore for Arc<Shelf> {
    fn load(&self, _: &Instance) -> Result<(Option<Kept>, Vec<Setting>), Fault> {
        Ok((self.kept.lock().unwrap().clone(), Vec::new()))
    }

    async fn keep(&self, _: &Instance, kept: Kept) -> Result<(), Fault> {
        *self.times.lock().unwrap() += 1;
        *self.kept.lock().unwrap() = Some(kept);
        Ok(())
    }
}

fn day_of(calls: u32) -> Rate {
    Rate::Day { calls: Some(calls), resets: "UTC0".into(), told_by: None, refused_by: Vec::new() }
}

#[tokio::test]
async fn what_was_spent_is_known_after_a_kill_and_exactly_after_a_stop() {
    let shelf = Arc::new(Shelf::default());
    let budgets = || InstanceBudgets::new(Arc::new(shelf.clone()), Arc::new(MachineClock));
    let instance = Instance { system: "X".into(), id: "1".into() };
    let spent = |budget: &InstanceBudget| budget.shown().unwrap().limits[0].spent;
    let first = budgets();
    let budget = first.of(&instance, "p", &[day_of(1_000)]);
    for _ in 0..15 {
        drop(acquire(&budget, Instant::now()).await.unwrap());
    }
    assert_eq!(spent(&budget), 15);
    assert_eq!(*shelf.times.lock().unwrap(), 2, "blocks of ten");
    let killed = budgets();
    assert_eq!(spent(&killed.of(&instance, "p", &[day_of(1_000)])), 20, "what was reserved is lost, and no more");
    first.rest().await;
    assert_eq!(spent(&budgets().of(&instance, "p", &[day_of(1_000)])), 15);
}

#[test]
fn an_instance_has_one_budget() {
    let budgets = InstanceBudgets::new(Arc::new(()), Arc::new(MachineClock));
    let instance = Instance { system: "X".into(), id: "1".into() };
    let a = budgets.of(&instance, "source-x", &[Rate::concurrent(5)]);
    let b = budgets.of(&instance, "destination-x", &[Rate::concurrent(2)]);
    assert!(Arc::ptr_eq(&a, &b));
    assert_eq!(a.shown().unwrap().limits[0].calls, Some(2));
    let other = Instance { system: "X".into(), id: "2".into() };
    assert!(!Arc::ptr_eq(&a, &budgets.of(&other, "source-x", &[])));
}
