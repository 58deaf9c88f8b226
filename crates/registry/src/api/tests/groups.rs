//! Groups and their members.

use contracts::message::GroupChanged;
use contracts::registry::{
    DeleteGroupRequest, Group, ListGroupsRequest, PutGroupRequest, ReadGroupRequest,
    SetMemberRequest, Users,
};

use super::*;

fn put(group: &str, members: &[&str]) -> PutGroupRequest {
    let users = members.iter().map(|it| (*it).to_owned()).collect();
    PutGroupRequest {
        caller: Some(admin()),
        group: group.into(),
        name: None,
        members: Some(Users { users }),
    }
}

async fn read(clients: &mut Clients, group: &str) -> Result<Group, String> {
    let request = ReadGroupRequest {
        caller: Some(admin()),
        group: group.into(),
    };
    match clients.people.read_group(request).await {
        Ok(answer) => Ok(answer.into_inner().group.unwrap()),
        Err(status) => Err(runtime::fault::reason(&status).unwrap_or_default()),
    }
}

fn names(group: &Group) -> Vec<&str> {
    group.members.iter().map(|it| it.name.as_str()).collect()
}

#[tokio::test]
async fn a_group_is_made_changed_and_removed() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        let bob = clients.user("Bob", &[]).await;
        let made = clients
            .people
            .put_group(put("developers", &["ada@example.org"]))
            .await;
        let made = made.unwrap().into_inner();
        let group = made.group.unwrap();
        assert!(made.created);
        assert_eq!(names(&group), ["Ada"]);
        let again = clients
            .people
            .put_group(put("developers", &[&ada.id, &bob.id]))
            .await;
        let again = again.unwrap().into_inner();
        assert!(!again.created);
        assert_eq!(names(&again.group.unwrap()), ["Ada", "Bob"]);
        let renamed = PutGroupRequest {
            name: Some("Entwickler".into()),
            members: None,
            ..put(&group.id, &[])
        };
        clients.people.put_group(renamed).await.unwrap();
        let found = read(&mut clients, "Entwickler").await.unwrap();
        assert_eq!(
            (found.id.as_str(), names(&found)),
            (group.id.as_str(), vec!["Ada", "Bob"])
        );
        let gone = DeleteGroupRequest {
            caller: Some(admin()),
            group: group.id.clone(),
        };
        clients.people.delete_group(gone.clone()).await.unwrap();
        assert_eq!(refusal(clients.people.delete_group(gone).await), "NO_GROUP");
        assert_eq!(read(&mut clients, &group.id).await.unwrap_err(), "NO_GROUP");
        let records = records(&world, ("group", "delete", &group.id)).await;
        let of_group = records.iter().filter(|it| it.r#type == "group");
        let actions: Vec<&str> = of_group.map(|it| it.action.as_str()).collect();
        assert_eq!(actions, ["create", "update", "update", "delete"]);
        assert_eq!(heard::<GroupChanged>(&world).await.group_id, group.id);
    }
}

#[tokio::test]
async fn a_token_says_which_groups_its_owner_is_in() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        let made = clients.people.put_group(put("Entwickler", &[])).await;
        let group = made.unwrap().into_inner().group.unwrap();
        let set = |member| SetMemberRequest {
            caller: Some(admin()),
            group: "Entwickler".into(),
            user: "ada@example.org".into(),
            member,
        };
        for member in [true, false, false, true] {
            clients.people.set_member(set(member)).await.unwrap();
        }
        let token = clients.token(caller(&ada), "ci").await.1;
        let asked = AuthenticateRequest { token };
        let bearer = clients
            .registry
            .authenticate(asked)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(bearer.groups, ["Entwickler"]);
        assert_eq!(bearer.user_email, "ada@example.org");
        let bob = clients.user("Bob", &[]).await;
        let records = records(&world, ("user", "create", &bob.id)).await;
        let of_group = records.iter().filter(|it| it.target_id == group.id);
        assert_eq!(of_group.count(), 4, "what is so already is no change");
    }
}

#[tokio::test]
async fn groups_are_listed_by_name_with_their_size_to_those_who_may_look() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        for name in ["beta", "alpha", "gamma"] {
            clients
                .people
                .put_group(put(name, &["", &ada.id]))
                .await
                .unwrap();
        }
        let list = |caller: Caller, after: &str, limit| ListGroupsRequest {
            caller: Some(caller),
            after: after.into(),
            limit,
        };
        let page = clients.people.list_groups(list(admin(), "alpha", 1)).await;
        let page = page.unwrap().into_inner().groups;
        assert_eq!(
            (page.len(), page[0].name.as_str(), page[0].member_count),
            (1, "beta", 2)
        );
        let denied = clients.people.list_groups(list(caller(&ada), "", 10)).await;
        assert_eq!(refusal(denied), "DENIED");
        let mine = PutGroupRequest {
            caller: Some(caller(&ada)),
            ..put("mine", &[])
        };
        assert_eq!(refusal(clients.people.put_group(mine).await), "DENIED");
    }
}

#[tokio::test]
async fn a_group_has_a_name_of_its_own_and_members_of_its_account() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        clients.people.put_group(put("one", &[])).await.unwrap();
        clients.people.put_group(put("two", &[])).await.unwrap();
        let renamed = PutGroupRequest {
            name: Some("one".into()),
            ..put("two", &[])
        };
        assert_eq!(
            refusal(clients.people.put_group(renamed).await),
            "GROUP_TAKEN"
        );
        let stranger = put("three", &["nobody@example.org"]);
        assert_eq!(refusal(clients.people.put_group(stranger).await), "NO_USER");
        assert_eq!(read(&mut clients, "three").await.unwrap_err(), "NO_GROUP");
        let unknown = put("5fd56d90979ee048ee660624", &[]);
        assert_eq!(refusal(clients.people.put_group(unknown).await), "NO_GROUP");
        let long = put(&"n".repeat(26), &[]);
        assert_eq!(refusal(clients.people.put_group(long).await), "FIELD");
    }
}
