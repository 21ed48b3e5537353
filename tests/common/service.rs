//! Services that a box has besides: one that a test answers for, question by question, and those that
//! python-dbusmock plays.

use std::process::{Child, Command, Stdio};

use futures_util::StreamExt;
use tokio::sync::mpsc;
use zbus::fdo::RequestNameFlags;
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream, Variant, fdo};

use super::{Bus, PATIENCE, Player};

/// A service whose answers the test gives, or does not give.
pub struct Service {
    pub connection: Connection,
    calls: mpsc::UnboundedReceiver<Message>,
}

impl Service {
    /// On the bus with this name, which it gives up to whoever wants it and takes from whoever lets it.
    pub async fn start(bus: &Bus, name: &'static str) -> Service {
        let connection = bus.connect().await;
        let (heard, calls) = mpsc::unbounded_channel();
        let mut messages = MessageStream::from(&connection);
        tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                if message.message_type() == Type::MethodCall && heard.send(message).is_err() {
                    return;
                }
            }
        });
        let flags = RequestNameFlags::ALLOW_REPLACEMENT | RequestNameFlags::REPLACE_EXISTING;
        connection.request_name_with_flags(name, flags).await.expect("the name");
        Service { connection, calls }
    }

    /// The next call, whatever it asks for.
    pub async fn call(&mut self) -> Message {
        let called = tokio::time::timeout(PATIENCE, self.calls.recv());
        called.await.expect("a call in time").expect("a call")
    }

    /// The next call of this method.
    pub async fn call_of(&mut self, method: &str) -> Message {
        loop {
            let call = self.call().await;
            if call.header().member().is_some_and(|member| member.as_str() == method) {
                return call;
            }
        }
    }

    pub async fn answer<B>(&self, call: &Message, body: &B)
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        self.connection.reply(&call.header(), body).await.expect("sent");
    }

    pub async fn refuse(&self, call: &Message) {
        let error = "org.freedesktop.DBus.Error.AccessDenied";
        self.connection.reply_error(&call.header(), error, &"no").await.expect("sent");
    }

    /// Waits until the agent has got everything that was sent before.
    pub async fn flush(&self) {
        let ping = Some("org.freedesktop.DBus.Peer");
        let answer = self.connection.call_method(Some(super::AGENT), "/", ping, "Ping", &()).await;
        answer.expect("an answer");
    }
}

/// A service that a template of python-dbusmock plays, in a process of its own.
pub struct Mock {
    child: Child,
    name: &'static str,
    player: Player,
}

impl Mock {
    /// Starts it and waits until it owns its name. `parameters` is JSON.
    pub async fn start(bus: &Bus, template: &str, name: &'static str, parameters: &str) -> Mock {
        let child = Command::new("/usr/bin/python3")
            .args(["-m", "dbusmock", "--system", "--template", template])
            .args(["--parameters", parameters])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address)
            .stdout(Stdio::null())
            .spawn()
            .expect("python3");
        let mock = Mock { child, name, player: Player { connection: bus.connect().await } };
        mock.named().await;
        mock
    }

    async fn named(&self) {
        let bus = fdo::DBusProxy::new(&self.player.connection).await.expect("the bus");
        let owned = async {
            let name: zbus::names::BusName<'_> = self.name.try_into().expect("a name");
            while !bus.name_has_owner(name.clone()).await.expect("an answer") {
                tokio::task::yield_now().await;
            }
        };
        let owned = tokio::time::timeout(PATIENCE, owned).await;
        owned.expect("python-dbusmock takes the name (Debian package python3-dbusmock)");
    }

    /// Calls a method of python-dbusmock's own, or of what it plays. It may still load its template.
    pub async fn call<B>(&self, path: &str, interface: &str, method: &str, body: &B)
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let call = async {
            let connection = &self.player.connection;
            while let Err(error) =
                connection.call_method(Some(self.name), path, Some(interface), method, body).await
            {
                assert!(error.to_string().contains("UnknownMethod"), "{method}: {error}");
            }
        };
        tokio::time::timeout(PATIENCE, call).await.expect("an answer in time");
    }

    /// Sets a property that it has, and has it say so.
    pub async fn set(&self, path: &str, interface: &str, name: &str, value: Variant<'_>) {
        self.call(path, "org.freedesktop.DBus.Properties", "Set", &(interface, name, value)).await;
    }

    /// It answers nothing until `go_on`.
    pub fn hang(&self) {
        super::signal(&self.child, "-STOP");
    }

    pub fn go_on(&self) {
        super::signal(&self.child, "-CONT");
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.end();
    }
}
