//! Users and groups of the box, as `/etc/passwd` and `/etc/group` name them.

/// The id of a group; `None` when the box has none of that name.
pub fn id_of(group: &str) -> Option<u32> {
    id_in(&read("/etc/group"), group)
}

/// The groups of a user, for a bus that does not report them.
pub fn of_user(uid: u32) -> Vec<u32> {
    groups_in(&read("/etc/passwd"), &read("/etc/group"), uid)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

fn id_in(groups: &str, name: &str) -> Option<u32> {
    lines(groups).find(|line| line.first() == Some(&name))?.get(2)?.parse().ok()
}

fn groups_in(users: &str, groups: &str, uid: u32) -> Vec<u32> {
    let uid = uid.to_string();
    let Some(user) = lines(users).find(|line| line.get(2) == Some(&uid.as_str())) else {
        return Vec::new();
    };
    let primary = user.get(3).copied();
    let of_member = lines(groups).filter_map(|line| {
        let members = line.get(3)?;
        members.split(',').any(|member| Some(&member) == user.first()).then_some(line[2])
    });
    primary.into_iter().chain(of_member).filter_map(|id| id.parse().ok()).collect()
}

fn lines(file: &str) -> impl Iterator<Item = Vec<&str>> {
    file.lines().map(|line| line.split(':').collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0::/root:/bin/sh\ntv:x:1001:1001::/:/bin/sh\nbroken\n";
    const GROUPS: &str = "root:x:0:\nplayhead:x:990:tv,other\nvideo:x:44:other\nbroken\n";

    #[test]
    fn primary_and_further_groups_are_found() {
        assert_eq!(groups_in(USERS, GROUPS, 1001), [1001, 990]);
        assert_eq!(groups_in(USERS, GROUPS, 7), [0_u32; 0]);
        assert_eq!(id_in(GROUPS, "playhead"), Some(990));
        assert_eq!(id_in(GROUPS, "play"), None);
    }
}
