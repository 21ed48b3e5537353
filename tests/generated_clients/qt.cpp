// A player with what qdbusxml2cpp makes: a session by method, then another by signal.
#include <QCoreApplication>
#include <QDBusMetaType>
#include <QTextStream>

#include "agent.h"
#include "player_adaptor.h"
#include "session.h"

namespace {

template <typename Reply> Reply checked(Reply reply) {
    reply.waitForFinished();
    if (reply.isError())
        qFatal("%s", qPrintable(reply.error().message()));
    return reply;
}

QVariantMap film(const char *id) {
    return {{"id", id}, {"app", "tv.example.generated"}, {"length", 600.0}};
}

}  // namespace

int main(int argc, char **argv) {
    QCoreApplication application(argc, argv);
    QTextStream out(stdout);
    // Of the property Totals.
    qDBusRegisterMetaType<QMap<QString, qulonglong>>();
    QDBusConnection bus = QDBusConnection::systemBus();
    const QString name = "tv.playhead.Agent1";
    TvPlayheadAgent1Interface agent(name, "/tv/playhead/Agent1", bus);
    out << "version " << agent.version() << '\n';

    const QDBusObjectPath path = checked(agent.OpenSession(0, film("qt-method"))).value();
    TvPlayheadSession1Interface session(name, path.path(), bus);
    checked(session.Play(0, {}));
    out << "media " << session.mediaId() << '\n';
    QDBusPendingReply<> refused = session.AdComplete(1, {});
    refused.waitForFinished();
    out << "refused " << refused.error().name() << '\n';
    checked(session.End(5, {}));

    const QVariantMap point =
        checked(agent.GetResumePoint("tv.example.generated", "qt-method")).value();
    out << "point " << QString::number(point["position"].toDouble(), 'f', 1) << '\n';
    const bool counted = agent.totals().contains("delivered");

    QObject object;
    auto *player = new Player1Adaptor(&object);
    bus.registerObject("/tv/example/player", &object, QDBusConnection::ExportAdaptors);
    emit player->SessionStart(0, film("qt-signal"));
    emit player->Play(0, {});
    emit player->End(7, {});
    // A call that is answered: what was sent before has left.
    agent.version();
    return counted ? 0 : 1;
}
