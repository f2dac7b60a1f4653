//! The order of SRV records (RFC 2782).

/// One SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    pub target: String,
}

impl Service {
    pub fn new(priority: u16, weight: u16, port: u16, target: String) -> Service {
        Service {
            priority,
            weight,
            port,
            target,
        }
    }
}

/// Lower priorities first; within one, by lot, in proportion to the weights.
pub(super) fn in_order(mut services: Vec<Service>, random: &mut fastrand::Rng) -> Vec<Service> {
    // Weight 0 in front, so that it is drawn only where the lot falls on nothing else.
    services.sort_by_key(|service| (service.priority, service.weight));
    let mut ordered = Vec::with_capacity(services.len());
    while let Some(first) = services.first() {
        let priority = first.priority;
        let same = services
            .iter()
            .take_while(|service| service.priority == priority);
        let weights: Vec<u64> = same.map(|service| u64::from(service.weight)).collect();
        let drawn = draw(&weights, random);
        ordered.push(services.remove(drawn));
    }
    ordered
}

/// RFC 2782: the first whose running sum reaches the lot.
fn draw(weights: &[u64], random: &mut fastrand::Rng) -> usize {
    let lot = random.u64(0..=weights.iter().sum());
    let mut sum = 0;
    let reaches = |weight: &u64| {
        sum += weight;
        sum >= lot
    };
    weights.iter().position(reaches).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_rule_and_weights_share() {
        let of = |priority, weight, target: &str| {
            Service::new(priority, weight, 5060, target.to_owned())
        };
        let all = vec![
            of(20, 0, "spare"),
            of(10, 75, "much"),
            of(10, 25, "less"),
            of(10, 0, "never"),
        ];
        let mut random = fastrand::Rng::with_seed(1);
        let mut first = std::collections::HashMap::new();
        for _ in 0..10_000 {
            let order = in_order(all.clone(), &mut random);
            assert_eq!(order.last().map(|last| last.target.as_str()), Some("spare"));
            assert_eq!(order.len(), 4);
            *first.entry(order[0].target.clone()).or_insert(0) += 1;
        }
        let share = |target: &str| first.get(target).copied().unwrap_or_default();
        assert!((7100..7800).contains(&share("much")), "{first:?}");
        assert!((2100..2800).contains(&share("less")), "{first:?}");
        assert!(share("never") < 200, "{first:?}");
    }
}
