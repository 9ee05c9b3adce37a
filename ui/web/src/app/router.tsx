import { createRootRoute, createRoute, createRouter, lazyRouteComponent, type AnyRoute } from '@tanstack/react-router'
import { parseSearch, stringifySearch } from '../url/search.ts'
import { Crashed, NotFound } from './Fallback.tsx'
import { Shell } from './Shell.tsx'

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: Crashed })

const page = (path: string, component: ReturnType<typeof lazyRouteComponent>): AnyRoute =>
  createRoute({ getParentRoute: () => root, path, component, errorComponent: Crashed })

export const router = createRouter({
  routeTree: root.addChildren([
    page(
      '/',
      lazyRouteComponent(() => import('../pages/overview/OverviewPage.tsx'), 'OverviewPage'),
    ),
    page(
      '/services',
      lazyRouteComponent(() => import('../pages/services/ServicesPage.tsx'), 'ServicesPage'),
    ),
    page(
      '/services/$name',
      lazyRouteComponent(() => import('../pages/service/ServicePage.tsx'), 'ServicePage'),
    ),
    page(
      '/explore/logs',
      lazyRouteComponent(() => import('../pages/logs/LogsPage.tsx'), 'LogsPage'),
    ),
    page(
      '/explore/traces',
      lazyRouteComponent(() => import('../pages/traces/TracesPage.tsx'), 'TracesPage'),
    ),
    page(
      '/traces/$id',
      lazyRouteComponent(() => import('../pages/trace/TracePage.tsx'), 'TracePage'),
    ),
    page(
      '/explore/metrics',
      lazyRouteComponent(() => import('../pages/metrics/MetricsPage.tsx'), 'MetricsPage'),
    ),
    page(
      '/alerts',
      lazyRouteComponent(() => import('../pages/alerts/AlertsPage.tsx'), 'AlertsPage'),
    ),
    page(
      '/graph',
      lazyRouteComponent(() => import('../pages/metrics/PrometheusLink.tsx'), 'PrometheusLink'),
    ),
  ]),
  parseSearch,
  stringifySearch,
  defaultPreload: false,
  scrollRestoration: true,
})
